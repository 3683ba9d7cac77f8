import type { Counter, Gauge, MetricDefinition } from "../core/component.ts";

interface Series {
  readonly definition: MetricDefinition;
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/** The metrics that components count themselves, beside what the runtime counts for every component. */
export class ComponentMetrics {
  readonly #series = new Map<string, Series>();

  /** A component's view: only metrics that its definition lists. */
  scope(
    labels: Readonly<Record<string, string>>,
    definitions: readonly MetricDefinition[],
  ): {
    counter(name: string): Counter;
    gauge(name: string): Gauge;
  } {
    const find = (name: string): Series => {
      const definition = definitions.find((each) => each.name === name);
      if (definition === undefined) throw new Error(`metric "${name}" is not in the component's definition`);
      const key = name + JSON.stringify(labels);
      let series = this.#series.get(key);
      if (series === undefined) this.#series.set(key, (series = { definition, labels, value: 0 }));
      return series;
    };
    return {
      counter: (name) => {
        const series = find(name);
        return { add: (amount) => void (series.value += amount) };
      },
      gauge: (name) => {
        const series = find(name);
        return { set: (value) => void (series.value = value) };
      },
    };
  }

  samples(): Sample[] {
    return [...this.#series.values()].map(({ definition, labels, value }) => ({
      ...{ name: definition.name, kind: definition.kind, description: definition.description, labels, value },
    }));
  }
}

export interface Sample {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Prometheus text exposition format 0.0.4. Samples of one name stand together, as the format asks. */
export function prometheusText(samples: readonly Sample[]): string {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const name = `wiretail_${sample.name}${sample.kind === "counter" ? "_total" : ""}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [sample]);
    else group.push(sample);
  }
  let text = "";
  for (const [name, group] of groups) {
    text += `# HELP ${name} ${group[0]!.description.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${group[0]!.kind}\n`;
    for (const { labels, value } of group) {
      const pairs = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabel(label)}"`);
      text += `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`;
    }
  }
  return text;
}

function escapeLabel(label: string): string {
  return label.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}
