/** Which colour a name has: the same on every page and at every visit. At most six; the rest shares one. */
export const COLOURS = 6;

function hash(text: string): number {
  let sum = 2166136261;
  for (let i = 0; i < text.length; i += 1) sum = Math.imul(sum ^ text.charCodeAt(i), 16777619);
  return sum >>> 0;
}

/** Colours of names that are shown together; one that is taken moves on to the next. */
export function colourNames(names: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  const taken = new Set<number>();
  for (const name of names.slice(0, COLOURS)) {
    let place = hash(name) % COLOURS;
    while (taken.has(place)) place = (place + 1) % COLOURS;
    taken.add(place);
    given.set(name, `cat-${place + 1}`);
  }
  return given;
}
