import assert from "node:assert/strict";
import { test } from "node:test";
import { ComponentMetrics, prometheusText } from "../../../src/runtime/metrics.ts";

const BYTES = { name: "sent_bytes", kind: "counter", unit: "bytes", description: "Bytes\\ sent\nto it" } as const;
const OPEN = { name: "open_files", kind: "gauge", unit: "files", description: "Files" } as const;

test("a component's counter only grows, its gauge is what was set last, and both are kept by label", () => {
  const metrics = new ComponentMetrics();
  const a = metrics.scope({ sink: "a" }, [BYTES, OPEN]);
  a.counter("sent_bytes").add(5);
  // Made anew on reload: the number goes on.
  metrics.scope({ sink: "a" }, [BYTES, OPEN]).counter("sent_bytes").add(2);
  a.gauge("open_files").set(3);
  a.gauge("open_files").set(1);
  metrics.scope({ sink: "b" }, [BYTES]).counter("sent_bytes").add(1);
  assert.deepEqual(
    metrics.samples().map(({ name, labels, value }) => [name, labels["sink"], value]),
    [
      ["sent_bytes", "a", 7],
      ["open_files", "a", 1],
      ["sent_bytes", "b", 1],
    ],
  );
});

test("a metric that the definition does not list is a defect of the component", () => {
  assert.throws(
    () => new ComponentMetrics().scope({}, [OPEN]).counter("sent_bytes"),
    /not in the component's definition/,
  );
});

test("the text for Prometheus has one head a name, its samples together, and labels and help escaped", () => {
  const sample = (labels: Record<string, string>, value: number) => ({ ...BYTES, labels, value });
  const gauge = { ...OPEN, labels: {}, value: 2 };
  assert.equal(
    prometheusText([sample({ sink: 'a"b' }, 1), gauge, sample({ sink: "c\\d\n" }, 2)]),
    [
      "# HELP wiretail_sent_bytes_total Bytes\\\\ sent\\nto it",
      "# TYPE wiretail_sent_bytes_total counter",
      'wiretail_sent_bytes_total{sink="a\\"b"} 1',
      'wiretail_sent_bytes_total{sink="c\\\\d\\n"} 2',
      "# HELP wiretail_open_files Files",
      "# TYPE wiretail_open_files gauge",
      "wiretail_open_files 2",
      "",
    ].join("\n"),
  );
});
