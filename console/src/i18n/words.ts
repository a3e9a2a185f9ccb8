/** The shape of the words: what English has, Japanese must have. A language without plural forms has only `_other`. */
import type { en } from "@/i18n/en";

type Shape<T> = { [K in keyof T as K extends `${string}_one` ? never : K]: T[K] extends string ? string : Shape<T[K]> };

export type Words = Shape<typeof en>;
