import assert from "node:assert/strict";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DROP } from "../../../src/core/component.ts";
import { WiretailError } from "../../../src/core/error.ts";
import type { LogEvent } from "../../../src/core/event.ts";
import { Path } from "../../../src/core/path.ts";
import { csvRows } from "../../../src/stages/lookup/csv.ts";
import { lookup } from "../../../src/stages/lookup/index.ts";
import { addressOf, indexOf, macOf, numberRange } from "../../../src/stages/lookup/key-index.ts";
import { readRows } from "../../../src/stages/lookup/rows.ts";
import { Table } from "../../../src/stages/lookup/table.ts";
import { temporaryFolder } from "../../support/folders.ts";
import { eventOf, stageOf } from "../../support/stages.ts";

type Options = Record<string, unknown>;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "wiretail-lookup-"));
});
after(async () => {
  await rm(folder, { recursive: true });
});

async function write(name: string, text: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
  return file;
}
function run(options: Options, input: Options): unknown {
  const event = eventOf(input);
  const outcome = stageOf(lookup, options).apply(event);
  if (outcome !== undefined) return outcome;
  const { "@timestamp": _, host: _host, ecs: _ecs, log: _log, ...own } = event.toObject();
  return own;
}
function table(file: string, more: Partial<ConstructorParameters<typeof Table>[0]> = {}): Table {
  return new Table({
    ...{ file, command: undefined, format: undefined, delimiter: undefined, where: undefined, keyColumn: undefined },
    ...{ baseDir: "/", maxBytes: 1 << 20, ...more },
  });
}

describe("tables", () => {
  it("are read from CSV with quotes, line ends in fields, and a delimiter of one's own", () => {
    const text = 'a,b\r\n1,"x, ""y""\nz"\n\n2,\n"3"\n,';
    assert.deepEqual(csvRows(text, ","), [["a", "b"], ["1", 'x, "y"\nz'], ["2", ""], ["3"], ["", ""]]);
    assert.deepEqual(csvRows("a;b\n1;2", ";"), [
      ["a", "b"],
      ["1", "2"],
    ]);
    assert.deepEqual(csvRows('a\n"open', ","), [["a"], ["open"]]);
    assert.throws(() => readRows("a,b\n1,2,3", "csv", undefined), /row 2 has 3 fields, and there are 2 columns/);
    assert.throws(() => readRows("a,a\n1,2", "csv", undefined), /two columns are called "a"/);
  });

  it("are read from JSON: lists, objects by key, lines, and lines with a key before them", () => {
    const rows = (text: string, format: "json" | "ndjson" | "key_json"): unknown =>
      readRows(text, format, undefined).rows.map(({ key, values }) => [key, values]);
    assert.deepEqual(rows('[{"a":1}]', "json"), [[undefined, { a: 1 }]]);
    assert.deepEqual(rows('{"k":{"a":1},"l":"x","m":[{"b":1},{"b":2}]}', "json"), [
      ["k", { key: "k", a: 1 }],
      ["l", { key: "l", value: "x" }],
      ["m", { key: "m", b: 1 }],
      ["m", { key: "m", b: 2 }],
    ]);
    assert.deepEqual(rows('\ufeff{"a":1}\n\n{"a":2}\r\n', "ndjson"), [
      [undefined, { a: 1 }],
      [undefined, { a: 2 }],
    ]);
    assert.deepEqual(rows('e1:{"n":"x:y"}\n00:1a:2b:3c:4d:5e:{"n":1}\nz: "a:b"', "key_json"), [
      ["e1", { key: "e1", n: "x:y" }],
      ["00:1a:2b:3c:4d:5e", { key: "00:1a:2b:3c:4d:5e", n: 1 }],
      ["z", { key: "z", value: "a:b" }],
    ]);
    for (const [text, format, message] of [
      ["7", "json", /neither a list nor an object/],
      ["[1]", "json", /item 0/],
      ['{"a":1}\n[]', "ndjson", /line 2 is no JSON object/],
      ["{", "json", /not JSON/],
      ["a:1\nno colon", "key_json", /line 2 is not KEY/],
    ] as const)
      assert.throws(() => readRows(text, format, undefined), message);
  });

  it("say what is wrong with a file when they are made", async () => {
    const columns = await write("columns.csv", "a,b\n1,2\n");
    assert.throws(() => table(join(folder, "none.csv")).load(), /none\.csv cannot be read: ENOENT/);
    assert.throws(() => table(columns, { keyColumn: "c" }).load(), /no row has the column c; the first one has a, b/);
    assert.throws(() => table(columns, { maxBytes: 3 }).load(), /has 8 bytes, and max_bytes is 3/);
    assert.throws(() => table("table.bin"), /does not tell its format/);
    assert.throws(() => table(columns, { where: "a: (" }));
  });

  it("are read again when their file changed, keep their rows when it is faulty, and take the next one that is not", async () => {
    const file = await write("changing.csv", "a,b\n1,2\n");
    const changing = table(file);
    changing.load();
    assert.deepEqual(changing.rows, [["1", { a: "1", b: "2" }]]);
    assert.equal(await changing.reload(), false);
    await write("changing.csv", "a,b\n1,2,3,4\n");
    await assert.rejects(changing.reload(), /row 2 has 4 fields/);
    assert.deepEqual(changing.rows, [["1", { a: "1", b: "2" }]]);
    assert.equal(await changing.reload(), false);
    await write("changing.csv", "a,b\n5,6\n");
    assert.equal(await changing.reload(), true);
    assert.deepEqual(changing.rows, [["5", { a: "5", b: "6" }]]);
    await rm(file);
    await assert.rejects(changing.reload(), /ENOENT/);
    assert.equal(changing.rows.length, 1);
  });

  it("come from commands, too", async () => {
    const command = [process.execPath, "-e", 'console.log(JSON.stringify({ a: 1, b: "x" }))'];
    const written = table("", { file: undefined, command, format: "ndjson", keyColumn: "a" });
    written.load();
    assert.deepEqual(written.rows, [["1", { a: 1, b: "x" }]]);
    const failing = table("", {
      file: undefined,
      command: [process.execPath, "-e", "process.exit(3)"],
      format: "json",
    });
    assert.throws(() => failing.load(), /cannot be read/);
    await assert.rejects(failing.reload(), /cannot be read/);
  });
});

describe("keys", () => {
  it("are the same MAC address however it is spelled", () => {
    for (const text of [
      "00:1A:2b:3C:4d:5E",
      "00-1a-2b-3c-4d-5e",
      "001a.2b3c.4d5e",
      "0:1a:2b:3c:4d:5e",
      " 001A2B3C4D5E ",
    ])
      assert.equal(macOf(text), "001a2b3c4d5e", text);
    for (const text of [
      "",
      "00:1a:2b:3c:4d",
      "00:1a:2b:3c:4d:5g",
      "001a2b3c4d5",
      "::::::",
      "00:1a:2b:3c:4d:5e:6f",
      "1a2b",
    ])
      assert.equal(macOf(text), undefined, text);
  });

  it("are the same address however it is spelled", () => {
    assert.equal(addressOf("2001:DB8::1"), addressOf("2001:0db8:0:0:0:0:0:1"));
    assert.equal(addressOf("::ffff:10.0.0.1"), addressOf("10.0.0.1"));
    assert.equal(addressOf("64:ff9b::10.0.0.1"), addressOf("64:ff9b::a00:1"));
    for (const text of ["10.0.0", "10.0.0.256", "x", "", "1::2::3"]) assert.equal(addressOf(text), undefined, text);
  });

  it("find the narrowest network or the range that an address is in", () => {
    const rows = [
      "0.0.0.0/0",
      "10.0.0.0/8",
      "10.1.0.0/16",
      "10.1.2.3",
      "10.1.2.3/32",
      "192.0.2.10-192.0.2.20",
      "2001:db8::/33",
      "nonsense",
      "10.0.0.0/33",
      "10.0.0.9-10.0.0.1",
    ];
    const index = indexOf(
      "ip",
      rows.map((key) => [key, key]),
    );
    assert.equal(index.skipped, 3);
    for (const [address, expected] of [
      ["203.0.113.1", ["0.0.0.0/0"]],
      ["10.255.255.255", ["10.0.0.0/8"]],
      ["11.0.0.0", ["0.0.0.0/0"]],
      ["10.1.255.0", ["10.1.0.0/16"]],
      ["10.1.2.3", ["10.1.2.3", "10.1.2.3/32"]],
      ["10.1.2.4", ["10.1.0.0/16"]],
      ["192.0.2.10", ["192.0.2.10-192.0.2.20"]],
      ["192.0.2.20", ["192.0.2.10-192.0.2.20"]],
      ["192.0.2.21", ["0.0.0.0/0"]],
      ["2001:db8:7fff::", ["2001:db8::/33"]],
      ["2001:db8:8000::", undefined],
      ["no address", undefined],
    ] as const)
      assert.deepEqual(index.find(address), expected, address);
  });

  it("find what looking through all networks finds", () => {
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) % below;
    const number = (text: string): number => text.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
    const text = (value: number): string =>
      [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
    const networks = Array.from({ length: 300 }, () => `${text(random(64) * 2 ** 20)}/${8 + random(20)}`);
    const index = indexOf(
      "ip",
      networks.map((key) => [key, key]),
    );
    const contains = (network: string, value: number): boolean => {
      const [base, bits] = network.split("/") as [string, string];
      const size = 2 ** (32 - Number(bits));
      return Math.floor(number(base) / size) === Math.floor(value / size);
    };
    for (let i = 0; i < 2_000; i++) {
      const value = random(64 * 2 ** 20);
      const all = networks.filter((network) => contains(network, value));
      const longest = Math.max(...all.map((network) => Number(network.split("/")[1])));
      const expected = all.filter((network) => Number(network.split("/")[1]) === longest);
      assert.deepEqual(index.find(text(value)), all.length === 0 ? undefined : expected, text(value));
    }
  });

  it("are numbers and ranges of them", () => {
    assert.deepEqual(numberRange("-5..5"), [-5, 5]);
    assert.deepEqual(numberRange("100-199"), [100, 199]);
    assert.deepEqual(numberRange("1.5"), [1.5, 1.5]);
    assert.equal(numberRange("9-1"), undefined);
    const index = indexOf(
      "number",
      ["0-99", "50", "40-60", "90-150"].map((key) => [key, key]),
    );
    const found = ["7", "50.0", "51", "99", "151", "x"].map((value) => index.find(value)?.[0]);
    assert.deepEqual(found, ["0-99", "50", "40-60", "90-150", undefined, undefined]);
  });
});

describe("lookup", () => {
  it("sets columns, the whole row, or lists of all rows", async () => {
    const file = await write("all.csv", "id,name,room\n7,ada,1\n7,bob,2\n8,cy,3\n");
    const base = { file, field: "id" };
    assert.deepEqual(run({ ...base, fields: { name: "user.name" } }, { id: 7 }), { id: 7, user: { name: "ada" } });
    assert.deepEqual(run({ ...base, target: "row" }, { id: "8" }), {
      id: "8",
      row: { id: "8", name: "cy", room: "3" },
    });
    assert.deepEqual(run({ ...base, fields: { name: "names" }, matches: "all" }, { id: 7 }), {
      id: 7,
      names: ["ada", "bob"],
    });
    assert.deepEqual(run({ ...base, fields: { name: "names" }, matches: "all" }, { id: [8, 7, 8] }), {
      id: [8, 7, 8],
      names: ["cy", "ada", "bob"],
    });
    assert.deepEqual(run({ ...base, target: "row", fields: { name: "row.alias" } }, { id: 8 }), {
      id: 8,
      row: { id: "8", name: "cy", room: "3", alias: "cy" },
    });
  });

  it("passes events without a row, gives them other values, or leaves them out", async () => {
    const file = await write("left.csv", "id,name\n7,ada\n");
    const base = { file, field: "id", fields: { name: "name" } };
    assert.deepEqual(run(base, { id: 1 }), { id: 1 });
    assert.deepEqual(run(base, {}), {});
    assert.deepEqual(run({ ...base, otherwise: { name: "nobody" } }, { id: 1 }), { id: 1, name: "nobody" });
    assert.equal(run({ ...base, join: "inner" }, { id: 1 }), DROP);
    assert.equal(run({ ...base, join: "inner" }, { id: { x: 1 } }), DROP);
  });

  it("joins tables by a column of the first, each with its own filter, inner or left", async () => {
    const file = await write(
      "computers.ndjson",
      '{"emp":"e1","mac":"00:00:00:00:00:01"}\n{"emp":"e2","mac":"00:00:00:00:00:02"}\n',
    );
    const other = await write("people.json", '{"e1":{"name":"ada","on":"YES"},"e2":{"name":"bob","on":"NO"}}');
    const people = { file: other, column: "emp", as: "p", where: "on: YES" };
    const base = { file, field: "m", key: "mac", key_column: "mac", fields: { "p.name": "who", emp: "emp" } };
    assert.deepEqual(run({ ...base, with: [people] }, { m: "000000000001" }), {
      m: "000000000001",
      who: "ada",
      emp: "e1",
    });
    assert.deepEqual(run({ ...base, with: [people] }, { m: "000000000002" }), { m: "000000000002", emp: "e2" });
    assert.deepEqual(run({ ...base, with: [{ ...people, join: "inner" }] }, { m: "000000000002" }), {
      m: "000000000002",
    });
  });

  it("changes nothing where a field cannot be set", async () => {
    const file = await write("fail.csv", "id,name\n7,ada\n");
    const event = eventOf({ id: 7, user: "text" });
    const outcome = stageOf(lookup, { file, field: "id", fields: { id: "seen", name: "user.name" } }).apply(event);
    assert.match(String((outcome as { message?: string } | undefined)?.message), /^cannot set user\.name/);
    assert.equal(event.get(new Path("seen")), undefined);
  });

  it("wants a table, its format, and something to add", async () => {
    const file = await write("v.csv", "id,name\n7,ada\n");
    assert.throws(() => stageOf(lookup, { field: "id", target: "t" }), /give one of file and command/);
    assert.throws(() => stageOf(lookup, { field: "id", target: "t", command: ["true"] }), /say the format/);
    assert.throws(() => stageOf(lookup, { field: "id", file }), /say what to add/);
    assert.throws(
      () => stageOf(lookup, { field: "id", target: "t", file, with: [{ column: "a", as: "b" }] }),
      /\/with\/0/,
    );
  });
});

describe("a MaxMind database", () => {
  const PLACES = "examples/lookup/places.mmdb";
  const found = (options: Record<string, unknown>, ip: unknown): unknown[] => {
    const event = eventOf({ source: { ip } });
    const outcome = stageOf(lookup, { file: PLACES, field: "source.ip", ...options }).apply(event);
    const events = Array.isArray(outcome) ? (outcome as (typeof event)[]) : [event];
    return events.map((each) => each.get(new Path("found")));
  };

  it("says what it has of addresses, in IPv4, IPv6 and IPv4 inside of IPv6", () => {
    const options = { fields: { "geo.country_name": "found" } };
    for (const [ip, name] of [
      ["198.51.100.255", "Exampleland"],
      ["::ffff:198.51.100.1", "Exampleland"],
      ["2001:db8::7", "Sixland"],
      ["2001:db9::7", undefined],
      ["203.0.113.200", undefined],
      ["no address", undefined],
    ] as const)
      assert.deepEqual(found(options, ip), [name], ip);
    assert.deepEqual(found({ fields: { geo: "found" } }, "198.51.100.1"), [
      {
        ...{ continent_code: "EU", continent_name: "Europe", country_iso_code: "XA", country_name: "Exampleland" },
        ...{ region_iso_code: "XA-EX", region_name: "Example Shire", city_name: "Springfield", postal_code: "12345" },
        ...{ timezone: "Etc/UTC", location: { lat: 12.5, lon: -7.25 } },
      },
    ]);
  });

  it("is filtered and joined as any table", async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, "owners.csv");
    await writeFile(file, "asn,owner\n64500,ada\n64500,bob\n");
    const joined = { with: [{ file, column: "as.number", as: "who" }], fields: { "who.owner": "found" } };
    assert.deepEqual(found({ ...joined, matches: "all" }, "203.0.113.1"), [["ada", "bob"]]);
    assert.deepEqual(found({ ...joined, matches: "events" }, "203.0.113.1"), ["ada", "bob"]);
    assert.deepEqual(found({ fields: { "as.number": "found" }, where: "as.number > 64500" }, "203.0.113.1"), [
      undefined,
    ]);
    assert.deepEqual(found({ fields: { "as.number": "found" }, where: "as.number > 64500" }, "2001:db8::1"), [64501]);
  });

  it("is refused when it is none, and never throws when it is damaged", async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, "broken.mmdb");
    for (const bytes of [Buffer.alloc(0), Buffer.from("hello"), Buffer.alloc(4096, 1)]) {
      await writeFile(file, bytes);
      assert.throws(() => found({ file, fields: { geo: "found" } }, "198.51.100.1"), /no MaxMind database/);
    }
    const good = await readFile(PLACES);
    for (let at = 0; at < good.length; at += 7) {
      const bytes = Buffer.from(good);
      bytes[at]! ^= 0x5a;
      await writeFile(file, bytes);
      try {
        const stage = stageOf(lookup, { file, field: "source.ip", fields: { geo: "found", as: "found" } });
        for (const ip of ["198.51.100.1", "2001:db8::1", "0.0.0.0"]) stage.apply(eventOf({ source: { ip } }));
      } catch (error) {
        assert.ok(error instanceof WiretailError, String(error));
      }
    }
  });
});

describe("matches: events", () => {
  it("makes an event of each row, numbered, each with its own fields", async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, "teams.csv");
    await writeFile(file, "user,team\nada,red\nada,blue\nbob,red\n");
    const stage = stageOf(lookup, { file, field: "user.name", fields: { team: "user.group" }, matches: "events" });
    const several = stage.apply(eventOf({ user: { name: "ada" } })) as LogEvent[];
    assert.deepEqual(
      several.map((event) => [event.subIndex, event.get(new Path("user.group"))]),
      [
        [1, "red"],
        [2, "blue"],
      ],
    );
    const one = eventOf({ user: { name: "bob" } });
    assert.equal(stage.apply(one), undefined);
    assert.deepEqual([one.subIndex, one.get(new Path("user.group"))], [0, "red"]);
  });
});
