/** A form that was opened on one version while somebody else saved another: what each of the two changed. */

const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** The fields in which a form differs from what it was opened on. */
export function changedOf<T extends object>(base: T, mine: T): Partial<T> {
  return Object.fromEntries(Object.entries(mine).filter(([name, value]) => !same(value, base[name as keyof T]))) as Partial<T>;
}

/** The fields that now are otherwise than they stand in the form. */
export function differing<T extends object>(theirs: T, mine: T): (keyof T & string)[] {
  return Object.keys(changedOf(theirs, mine)) as (keyof T & string)[];
}

/** The form as it is after somebody else's change: their values, but for what one has changed oneself. */
export function rebased<T extends object>(base: T, theirs: T, mine: T): T {
  return { ...theirs, ...changedOf(base, mine) };
}
