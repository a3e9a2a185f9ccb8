/** Providers, models and keys as every screen asks for them. A list longer than the bound says so instead of being read whole. */
import { queryOptions, useQuery } from "@tanstack/react-query";

import { request } from "@/lib/api/request";
import type { KeyPage, ModelPage, Project, ProjectPage, ProviderPage } from "@/lib/api/types";
import { useMay } from "@/lib/rights";

/** The most that one answer holds. */
export const MOST = 1000;

export const providersQuery = queryOptions({ queryKey: ["providers"], queryFn: async () => (await request<ProviderPage>("GET", "/api/providers", { query: { limit: MOST } })).providers, staleTime: 10_000 });

export const modelsQuery = queryOptions({ queryKey: ["models"], queryFn: () => request<ModelPage>("GET", "/api/models", { query: { limit: MOST } }), staleTime: 10_000 });

/** The newest keys, for choosing one by name. */
const keyNamesQuery = queryOptions({ queryKey: ["keys", "names"], queryFn: async () => (await request<KeyPage>("GET", "/api/keys", { query: { limit: 200 } })).api_keys, staleTime: 30_000 });

export function useKeyNames() {
  const may = useMay();
  return useQuery({ ...keyNamesQuery, enabled: may("keys.read") });
}

export const projectsQuery = queryOptions({ queryKey: ["projects", "names"], queryFn: async () => (await request<ProjectPage>("GET", "/api/projects", { query: { limit: MOST, archived: false } })).projects, staleTime: 30_000 });

/** Whether one may make and change what belongs to a project: members who edit it, and whom no project bounds. */
export function writableIn(project: Project): boolean {
  return project.role !== "viewer";
}

/** Whether whoever is here may change what belongs to the project of this name; true until it is known. */
export function useWritesIn(name: string | undefined): boolean {
  const may = useMay()("keys.write");
  const project = useQuery({ ...projectsQuery, enabled: may }).data?.find((each) => each.name === name);
  return may && (project === undefined || writableIn(project));
}

/** Whether whoever is here may make a key somewhere; undefined until it is known. A guest and who only looks on in every project may not. */
export function useMakesKeys(): boolean | undefined {
  const may = useMay()("keys.write");
  const projects = useQuery({ ...projectsQuery, enabled: may }).data;
  return may ? projects?.some(writableIn) : false;
}
