/** What is open in the frame. */
import { createStore } from "@/lib/store";

export const palette = createStore(false);
export const keyHelp = createStore(false);
/** How many things need a person; told by the overview's rules, shown in the browser's tab. */
export const needs = createStore(0);
