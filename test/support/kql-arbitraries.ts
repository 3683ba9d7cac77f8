import fc from "fast-check";

/** Texts that have gone wrong somewhere: case, Unicode, SQL and LIKE and regex specials, numbers, times, addresses. */
const TEXTS = [
  "", " ", "a", "A", "ab", "aB%c", "a_c", "a%", "%", "_", "'", "''", '"', "\\", "\\\\", "a\\b", "a*b", "*", "(x)", "[x]", "a.b", "a|b", "^a$",
  "Straße", "STRASSE", "strasse", "ß", "ẞ", "İ", "i", "I", "ı", "K", "\u212a", "ſ", "s", "S", "ΣΊΣΥΦΟΣ", "σίσυφος", "é", "e\u0301", "É", "日本語", "😀", "𐐀", "𐐨",
  "\u{1e900}", "\u{1e922}", "ǅ", "ǆ", "Ǆ", "\ue000", "\uffff", "Å", "å", "\u212b", "µ", "μ", "connection refused", "Connection REFUSED by peer", "a\nb", "a\u0000b", "tab\there",
  "0", "1", "-1", "200", "200.0", "2e2", "+200", ".5", "5.", "0.5", "1e400", "1e-400", "00200", "404", "9007199254740991", "9007199254740993", "12345678901234567890", "NaN", "Infinity", "0x10", "1_000", " 1",
  "true", "false", "null", "True",
  "10.0.0.1", "10.1.2.3", "10.0.0.0/8", "10.255.255.255", "11.0.0.1", "10.0.0.256", "10.0.0", "192.168.1.77", "192.168.1.64/26", "0.0.0.0/0",
  "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:db8::/32", "2001:db8:8000::/33", "::", "::1", "::/0", "1::2::3", "2001:db8:::1", "fe80::1%eth0", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "12345::",
  "2026-11-21", "2026-11-21T10:00:00Z", "2026-11-21T10:00:00.5Z", "2026-11-21T10:00:00.285123Z", "2026-02-30T10:00:00Z", "2026-11-21T12:00:00+02:00", "2026-11-21 10:00", "now-15m", "yesterday",
]; // prettier-ignore
const NUMBERS = [
  0,
  -0,
  1,
  -1,
  0.5,
  200,
  404,
  1e21,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 53 + 2,
  12345678901234567890,
  -1.5,
  1e-7,
  1.7976931348623157e308,
  5e-324,
];
export const FIELDS = [
  "a",
  "b.c",
  "b",
  "n.x.y",
  "source.ip",
  "message",
  "@timestamp",
  "log.level",
  'we"ird',
  "it's",
  "per%cent",
  "a b",
  "0",
];

const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...TEXTS) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 6 }) },
);
const number = fc.oneof(fc.constantFrom(...NUMBERS), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const scalar = fc.oneof(
  { weight: 4, arbitrary: text },
  { weight: 2, arbitrary: number },
  fc.boolean(),
  fc.constant(null),
);
const value = fc.oneof(
  { weight: 6, arbitrary: scalar },
  fc.array(scalar, { maxLength: 3 }),
  fc.constantFrom<unknown>({}, [[1, "a"]], [{ c: "a" }]),
);

const TIMES = [
  "2026-11-21T10:00:00.000Z",
  "2026-11-21T10:00:00.285Z",
  "2026-11-21T23:59:59.999999Z",
  "2026-11-20T00:00:00.000Z",
  "1999-12-31T23:59:59.000Z",
];

/** Documents with levels, literal dotted keys, both at once, arrays, nulls and missing fields. */
export const document: fc.Arbitrary<Record<string, unknown>> = fc
  .record(
    {
      a: value,
      b: fc.oneof(value, fc.record({ c: value })),
      "b.c": value,
      n: fc.oneof(fc.record({ x: fc.record({ y: value }) }), fc.record({ "x.y": value }), fc.constant(null)),
      "n.x": fc.record({ y: value }),
      source: fc.record({ ip: text }),
      message: fc.oneof({ weight: 4, arbitrary: text }, value),
      log: fc.record({ level: fc.constantFrom("info", "warn", "error") }),
      'we"ird': value,
      "it's": value,
      "per%cent": value,
      "a b": value,
      "0": value,
    },
    { requiredKeys: [] },
  )
  .chain((fields) => fc.constantFrom(...TIMES).map((time) => ({ "@timestamp": time, ...fields })));

const quoted = (raw: string): string => `"${raw.replace(/[\\"]/g, "\\$&")}"`;
const escaped = (raw: string): string =>
  raw
    .replace(/[\\():<>"{}*]/g, "\\$&")
    .replace(/\b(and|or|not)\b/gi, "\\$&")
    .replace(/\t/g, "\\t")
    .replace(/\n/g, "\\n")
    .trim();

const fieldName = fc.constantFrom(...FIELDS).map(quoted);
const literal = fc.oneof(
  { weight: 4, arbitrary: text.map(quoted) },
  { weight: 1, arbitrary: text.map((raw) => escaped(raw)).filter((raw) => raw !== "") },
  // A wildcard put somewhere into a text, so that it often fits.
  { weight: 2, arbitrary: fc.tuple(text, fc.nat(8), fc.nat(8)).map(([raw, i, j]) => escapedWildcard(raw, i, j)) },
  { weight: 1, arbitrary: number.map((n) => quoted(String(n))) },
);

function escapedWildcard(raw: string, from: number, length: number): string {
  const points = [...raw];
  return `${escaped(points.slice(0, from).join(""))}*${escaped(points.slice(from + length).join(""))}`;
}

const condition = fc.oneof(
  { weight: 1, arbitrary: literal },
  { weight: 5, arbitrary: fc.tuple(fieldName, literal).map(([field, wanted]) => `${field}: ${wanted}`) },
  { weight: 1, arbitrary: fieldName.map((field) => `${field}: *`) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fieldName, fc.constantFrom("<", "<=", ">", ">="), fc.oneof(text, number.map(String)))
      .map(([field, op, wanted]) => `${field} ${op} ${quoted(wanted)}`),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fieldName, literal, literal).map(([field, x, y]) => `${field}: (${x} or not ${y})`),
  },
);

/** Query texts. Some do not parse (a word that is no time for `@timestamp`): skip those. */
export const query: fc.Arbitrary<string> = fc.letrec<{ query: string; leaf: string }>((tie) => ({
  leaf: condition,
  query: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    { weight: 4, arbitrary: tie("leaf") },
    {
      weight: 1,
      arbitrary: fc
        .tuple(tie("query"), fc.constantFrom("and", "or", "AND NOT"), tie("query"))
        .map(([x, op, y]) => `(${x}) ${op} (${y})`),
    },
    { weight: 1, arbitrary: tie("query").map((x) => `not (${x})`) },
  ),
})).query;
