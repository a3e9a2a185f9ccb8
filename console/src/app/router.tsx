/** All addresses. Each screen is loaded when it is first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from "@tanstack/react-router";

import { Broken, NotFound } from "@/app/broken";
import { Frame } from "@/app/shell/frame";
import { only, parseSearch, stringifySearch } from "@/lib/search";

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: Broken });

const login = createRoute({ getParentRoute: () => root, path: "/login", validateSearch: only("next", "error"), component: lazyRouteComponent(() => import("@/features/auth/login"), "Login") });
const setup = createRoute({ getParentRoute: () => root, path: "/setup", validateSearch: only("token"), component: lazyRouteComponent(() => import("@/features/setup/setup"), "Setup") });
const invite = createRoute({ getParentRoute: () => root, path: "/invite", component: lazyRouteComponent(() => import("@/features/auth/invited"), "Invited") });
const reset = createRoute({ getParentRoute: () => root, path: "/reset", component: lazyRouteComponent(() => import("@/features/auth/reset"), "Reset") });

const frame = createRoute({ getParentRoute: () => root, id: "frame", component: Frame, notFoundComponent: NotFound, errorComponent: Broken });

const overview = createRoute({ getParentRoute: () => frame, path: "/", validateSearch: only("range"), component: lazyRouteComponent(() => import("@/features/overview/overview"), "Overview") });
const calls = createRoute({
  getParentRoute: () => frame,
  path: "/calls/{-$callId}",
  validateSearch: only("last", "since", "until", "status", "api", "model", "provider", "key", "project", "error", "slower", "find", "export"),
  component: lazyRouteComponent(() => import("@/features/calls/calls"), "Calls"),
});
const apis = createRoute({ getParentRoute: () => frame, path: "/apis/{-$name}", validateSearch: only("create"), component: lazyRouteComponent(() => import("@/features/apis/apis"), "Apis") });
const keys = createRoute({ getParentRoute: () => frame, path: "/keys/{-$keyId}", validateSearch: only("state", "project", "find", "create", "change"), component: lazyRouteComponent(() => import("@/features/keys/keys"), "Keys") });
const providers = createRoute({ getParentRoute: () => frame, path: "/providers/{-$name}", validateSearch: only("add"), component: lazyRouteComponent(() => import("@/features/providers/providers"), "Providers") });
const models = createRoute({ getParentRoute: () => frame, path: "/models", validateSearch: only("provider", "show", "find"), component: lazyRouteComponent(() => import("@/features/models/models"), "Models") });
const usage = createRoute({ getParentRoute: () => frame, path: "/usage", validateSearch: only("range", "by", "measure"), component: lazyRouteComponent(() => import("@/features/usage/usage"), "Usage") });
const playground = createRoute({ getParentRoute: () => frame, path: "/playground", validateSearch: only("models", "tab"), component: lazyRouteComponent(() => import("@/features/playground/playground"), "Playground") });
const people = createRoute({ getParentRoute: () => frame, path: "/people/{-$userId}", validateSearch: only("tab", "role", "find", "invite", "add", "issuer"), component: lazyRouteComponent(() => import("@/features/people/people"), "People") });
const projects = createRoute({ getParentRoute: () => frame, path: "/projects/{-$project}", validateSearch: only("archived", "create"), component: lazyRouteComponent(() => import("@/features/projects/projects"), "Projects") });
const audit = createRoute({ getParentRoute: () => frame, path: "/audit/{-$row}", validateSearch: only("last", "about", "actor", "object", "project"), component: lazyRouteComponent(() => import("@/features/audit/audit"), "Audit") });
const system = createRoute({ getParentRoute: () => frame, path: "/system", component: lazyRouteComponent(() => import("@/features/system/system"), "System") });
const settings = createRoute({ getParentRoute: () => frame, path: "/settings", validateSearch: only("tab", "find"), component: lazyRouteComponent(() => import("@/features/settings/settings"), "Settings") });

export const routeTree = root.addChildren([login, setup, invite, reset, frame.addChildren([overview, calls, apis, keys, providers, models, usage, playground, people, projects, audit, system, settings])]);

export const router = createRouter({ routeTree, parseSearch, stringifySearch, defaultPreload: "intent", scrollRestoration: true, defaultErrorComponent: Broken, defaultNotFoundComponent: NotFound });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
