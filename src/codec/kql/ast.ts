/**
 * KQL, the query language people type into Kibana, as a tree. One parser; compiled to a predicate over LogEvents
 * (stages, `search` of the open segment) and to SQL over the local store; both must select the same events (docs/kql.md).
 */
export type KqlNode =
  | { readonly kind: "and"; readonly nodes: readonly KqlNode[] }
  | { readonly kind: "or"; readonly nodes: readonly KqlNode[] }
  | { readonly kind: "not"; readonly node: KqlNode }
  /** `field: *` */
  | { readonly kind: "exists"; readonly field: string }
  /** `field: value`; `pattern` when the value has wildcards. */
  | { readonly kind: "is"; readonly field: string; readonly value: KqlValue }
  /** A bare `value`: matches `message`. */
  | { readonly kind: "text"; readonly value: KqlValue }
  | {
      readonly kind: "compare";
      readonly field: string;
      readonly operator: "<" | "<=" | ">" | ">=";
      readonly value: string;
    }
  /** The empty query. */
  | { readonly kind: "all" };

export interface KqlValue {
  /** The text with escapes resolved. */
  readonly text: string;
  /** In quotes: never a wildcard. */
  readonly quoted: boolean;
  /** For unquoted text with `*`: the literal pieces between the stars, e.g. `a*b` → ["a", "b"]. */
  readonly pieces: readonly string[] | undefined;
}
