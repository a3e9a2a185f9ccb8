/** What does each team use and own, and who belongs to it? */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";

import { Screen } from "@/app/shell/screen";
import { Button } from "@/components/button";
import { type Column, DataTable } from "@/components/data-table";
import { Segmented } from "@/components/field";
import { Empty, Failed, Rows, Tag } from "@/components/panel";
import { CreateProjectDialog } from "@/features/projects/create-project";
import { ProjectDrawer } from "@/features/projects/project-drawer";
import { useFormat } from "@/i18n";
import { request } from "@/lib/api/request";
import type { Project, ProjectPage } from "@/lib/api/types";
import { useMay } from "@/lib/rights";
import { useShortcuts } from "@/lib/shortcuts";

const PAGE = 100;

export function Projects() {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const may = useMay();
  const { project: opened } = useParams({ from: "/frame/projects/{-$project}" });
  const search = useSearch({ from: "/frame/projects/{-$project}" });
  const opener = useRef<HTMLElement | null>(null);
  const archived = search.archived !== undefined;
  const pages = useInfiniteQuery({
    queryKey: ["projects", "list", archived],
    queryFn: ({ pageParam }) => request<ProjectPage>("GET", "/api/projects", { query: { limit: PAGE, cursor: pageParam, archived } }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const projects = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.projects), [pages.data]);
  const open = (name: string | undefined) => void navigate({ to: "/projects/{-$project}", params: { project: name }, search: { archived: search.archived } });
  const create = () => void navigate({ to: "/projects/{-$project}", params: { project: opened }, search: { ...search, create: "1" } });
  const step = (by: number) => {
    const next = projects[Math.max(0, Math.min(projects.length - 1, projects.findIndex((each) => each.name === opened) + by))];
    if (next !== undefined) open(next.name);
  };
  useShortcuts({ ...(may("projects.write") ? { c: create } : {}), j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1) });
  const part = (project: Project) => (project.role === null ? "" : t(`people.projectRoles.${project.role}`));
  const columns: Column<Project>[] = [
    { id: "title", head: t("projects.title"), cell: (project) => <b>{project.title}</b>, width: "minmax(120px,1.4fr)" },
    { id: "name", head: t("projects.name"), cell: (project) => <code className="font-mono text-ink-2">{project.name}</code>, width: "minmax(100px,1fr)", from: "md" },
    { id: "role", head: t("projects.yourRole"), cell: part, width: "minmax(90px,0.8fr)", from: "md", hideWithDrawer: true },
    { id: "members", head: t("projects.members"), right: true, cell: (project) => format.count(project.members), width: "100px" },
    { id: "keys", head: t("projects.liveKeys"), right: true, cell: (project) => format.count(project.live_keys), width: "110px" },
    { id: "made", head: t("projects.made"), cell: (project) => format.date(new Date(project.created_at)), width: "140px", from: "lg", hideWithDrawer: true },
  ];
  return (
    <Screen
      id="projects"
      filled
      liveState={null}
      tabs={
        <Segmented
          label={t("nav.projects")}
          value={archived ? "archived" : "active"}
          options={[
            { value: "active", label: t("projects.showActive") },
            { value: "archived", label: t("projects.showArchived") },
          ]}
          onChange={(next) => void navigate({ to: "/projects/{-$project}", params: { project: undefined }, search: next === "active" ? {} : { archived: "1" } })}
        />
      }
      actions={
        may("projects.write") ? (
          <Button kind="primary" icon="plus" onClick={create}>
            {t("projects.create")}
          </Button>
        ) : undefined
      }
    >
      <div className="flex min-h-0 flex-1">
        <div className="flex min-w-0 flex-1 flex-col">
          {pages.isPending ? (
            <Rows />
          ) : pages.isError ? (
            <Failed error={pages.error} again={() => void pages.refetch()} />
          ) : projects.length === 0 ? (
            <Empty
              text={archived ? t("projects.noneArchived") : t("projects.none")}
              act={
                archived || !may("projects.write") ? undefined : (
                  <Button kind="primary" onClick={create}>
                    {t("projects.create")}
                  </Button>
                )
              }
            />
          ) : (
            <DataTable
              label={t("nav.projects")}
              rows={projects}
              columns={columns}
              rowHeight={40}
              idOf={(project) => project.name}
              selected={opened}
              drawerOpen={opened !== undefined}
              onOpen={(project, element) => {
                opener.current = element;
                open(project.name);
              }}
              phone={(project) => (
                <>
                  <div className="flex items-baseline gap-2">
                    <b className="min-w-0 flex-1 truncate">{project.title}</b>
                    {project.role === null ? null : <Tag>{part(project)}</Tag>}
                  </div>
                  <div className="flex gap-2 text-cap text-ink-3">
                    <span className="min-w-0 flex-1 truncate">{project.name}</span>
                    <span>
                      {t("projects.members")} {format.count(project.members)} · {t("nav.keys")} {format.count(project.live_keys)}
                    </span>
                  </div>
                </>
              )}
              onEnd={() => (pages.hasNextPage && !pages.isFetchingNextPage ? void pages.fetchNextPage() : undefined)}
            />
          )}
        </div>
        {opened === undefined ? null : (
          <ProjectDrawer
            key={opened}
            name={opened}
            known={projects.find((each) => each.name === opened)}
            onClose={() => {
              open(undefined);
              opener.current?.focus();
            }}
          />
        )}
      </div>
      {search.create === undefined ? null : (
        <CreateProjectDialog
          onClose={() => void navigate({ to: "/projects/{-$project}", params: { project: opened }, search: { ...search, create: undefined } })}
          onDone={(made) => open(made.name)}
        />
      )}
    </Screen>
  );
}
