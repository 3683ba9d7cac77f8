type Tree = Map<string, Tree | true>;
type Members = Readonly<Record<string, unknown>>;

/** Gives a new object with the chosen fields of a document; values are the document's own. */
export type FieldSelection = (document: object) => Record<string, unknown>;

/**
 * Keeps `@timestamp` and these fields. The name of an object keeps all of it; in a list of objects (`dns.answers.name`)
 * the fields of each are kept.
 */
export function selectFields(names: readonly string[]): FieldSelection {
  const root: Tree = new Map([["@timestamp", true]]);
  for (const name of names) add(root, name.split("."));
  return (document) => keep(document as Members, root);
}

function add(tree: Tree, [key, ...rest]: readonly string[]): void {
  const there = tree.get(key!);
  if (there === true) return;
  if (rest.length === 0) {
    tree.set(key!, true);
    return;
  }
  const inner = there ?? new Map<string, Tree | true>();
  tree.set(key!, inner);
  add(inner, rest);
}

function keep(document: Members, tree: Tree): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [key, inner] of tree) {
    const value = document[key];
    if (value === undefined) continue;
    if (inner === true) kept[key] = value;
    else if (Array.isArray(value)) kept[key] = value.filter(isObject).map((each) => keep(each, inner));
    else if (isObject(value)) {
      const part = keep(value, inner);
      for (const _ in part) {
        kept[key] = part;
        break;
      }
    }
  }
  return kept;
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
