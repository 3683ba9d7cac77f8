import type { Log } from "../../core/component.ts";
import { CallFailed, readReply, type Caller } from "./client.ts";
import { DYNAMIC_TEMPLATES, ecsProperties } from "./ecs.ts";

/** Grows whenever the template below changes: a server's older one of ours is then replaced. */
export const TEMPLATE_VERSION = 1;
const MANAGED_BY = "wiretail";
/**
 * Above the built-in `logs` templates (100), below what people usually give their own (500). The pattern's length is
 * added, so that of two of ours that overlap the more specific one wins; the server refuses equal priorities.
 */
const PRIORITY = 200;

export interface TemplateTarget {
  /** Name of the template on the server. */
  readonly name: string;
  /** What the template is for, as an index pattern. */
  readonly pattern: string;
  /** A name that it applies to: to find other templates that do. */
  readonly example: string;
  readonly dataStream: { readonly type: string; readonly dataset: string } | undefined;
}

export type IndexTemplate = Record<string, unknown>;

/**
 * The template with the best types. Component templates that a full server has (ECS mappings, lifecycle, logsdb) and
 * that users may make (`NAME@custom`) are taken in where they exist.
 */
export function indexTemplate(target: TemplateTarget): IndexTemplate {
  const isLogs = target.dataStream?.type === "logs";
  const components = [...(isLogs ? ["logs@mappings", "logs@settings"] : []), "ecs@mappings", `${target.name}@custom`];
  const properties = ecsProperties();
  if (target.dataStream !== undefined) {
    const { type, dataset } = target.dataStream;
    properties["data_stream"] = {
      properties: {
        type: { type: "constant_keyword", value: type },
        dataset: { type: "constant_keyword", value: dataset },
        namespace: { type: "constant_keyword" },
      },
    };
  }
  return {
    index_patterns: [target.pattern],
    priority: PRIORITY + target.pattern.length,
    ...(target.dataStream === undefined ? {} : { data_stream: {} }),
    composed_of: components,
    ignore_missing_component_templates: components,
    version: TEMPLATE_VERSION,
    _meta: { managed_by: MANAGED_BY, version: TEMPLATE_VERSION, description: "Logs and packets shipped by Wiretail" },
    template: {
      settings: {
        // New fields beyond the limit are kept in _source, and only not searchable, instead of refusing the event.
        "index.mapping.total_fields.ignore_dynamic_beyond_limit": true,
      },
      mappings: { date_detection: false, dynamic_templates: DYNAMIC_TEMPLATES, properties },
    },
  };
}

/** Types that not every server has (they come as modules, or with later versions), and the next best. */
const FALLBACKS: Readonly<Record<string, { readonly type: string; readonly without: readonly string[] }>> = {
  match_only_text: { type: "text", without: [] },
  constant_keyword: { type: "keyword", without: ["value"] },
  wildcard: { type: "keyword", without: [] },
  scaled_float: { type: "double", without: ["scaling_factor"] },
};

/** Replaces one type everywhere. Returns false when there is no next best or nothing to replace. */
export function replaceType(template: unknown, type: string): boolean {
  const next = FALLBACKS[type];
  if (next === undefined || typeof template !== "object" || template === null) return false;
  let found = false;
  const node = template as Record<string, unknown>;
  if (node["type"] === type) {
    node["type"] = next.type;
    for (const parameter of next.without) delete node[parameter];
    if (next.type === "keyword") node["ignore_above"] = 1024;
    found = true;
  }
  for (const child of Object.values(node)) found = replaceType(child, type) || found;
  return found;
}

interface InstalledTemplate {
  readonly name: string;
  readonly index_template: {
    readonly index_patterns: readonly string[];
    readonly priority?: number;
    readonly _meta?: { readonly managed_by?: unknown; readonly version?: unknown; readonly managed?: unknown };
  };
}

export type Installation =
  | { readonly state: "installed"; readonly replaced: readonly string[] }
  | { readonly state: "present" }
  /** Another template, of the user's or of somebody else's, is for these names already. */
  | { readonly state: "foreign"; readonly name: string };

/** What is on the server for these names: whether ours is to be installed. */
export async function findTemplate(
  connection: Caller,
  target: TemplateTarget,
  signal: AbortSignal,
): Promise<Installation | undefined> {
  const reply = await connection.call(
    {
      method: "GET",
      path: "/_index_template",
      query: {
        filter_path:
          "index_templates.name,index_templates.index_template.index_patterns,index_templates.index_template.priority,index_templates.index_template._meta",
      },
    },
    signal,
  );
  return readReply("_index_template", () => readTemplates(reply.body, target));
}

function readTemplates(body: unknown, target: TemplateTarget): Installation | undefined {
  const all = ((body ?? {}) as { index_templates?: InstalledTemplate[] }).index_templates ?? [];
  const matching = all
    .filter((one) => one.index_template.index_patterns.some((pattern) => matches(pattern, target.example)))
    .sort((a, b) => (b.index_template.priority ?? 0) - (a.index_template.priority ?? 0));
  const best = matching[0];
  if (best === undefined) return undefined;
  const { _meta, priority = 0 } = best.index_template;
  if (_meta?.managed_by === MANAGED_BY) {
    return best.name !== target.name || Number(_meta.version) >= TEMPLATE_VERSION ? { state: "present" } : undefined;
  }
  // Elastic's own general ones (logs-*-*, priority 100) are there to be refined.
  if (_meta?.managed === true && priority < PRIORITY) return undefined;
  return { state: "foreign", name: best.name };
}

/** Index patterns know only `*`. */
function matches(pattern: string, name: string): boolean {
  const escaped = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}$`).test(name);
}

const UNKNOWN_TYPE = /(?:mapper type|handler for type|mapper found for type) \[([a-z_]+)\]/;
const UNKNOWN_SETTING = /unknown setting \[([^\]]+)\]/;

/**
 * Puts our template on the server unless it is not needed. Where the server lacks a field type or a setting, the next
 * best is used, and said. Throws CallFailed when it cannot be done.
 */
export async function installTemplate(
  connection: Caller,
  target: TemplateTarget,
  log: Log,
  signal: AbortSignal,
): Promise<Installation> {
  const found = await findTemplate(connection, target, signal);
  if (found !== undefined) return found;
  const template = structuredClone(indexTemplate(target));
  const replaced: string[] = [];
  for (;;) {
    try {
      await connection.call(
        { method: "PUT", path: `/_index_template/${encodeURIComponent(target.name)}`, body: template },
        signal,
      );
      break;
    } catch (error) {
      if (!(error instanceof CallFailed) || error.status !== 400 || !makeDo(template, error.message, replaced))
        throw error;
    }
  }
  log.info(`installed the index template ${target.name} for ${target.pattern}`);
  if (replaced.length > 0) {
    log.warn(
      `this server lacks some of what the index template ${target.name} would use; instead: ${replaced.join(", ")}`,
    );
  }
  return { state: "installed", replaced };
}

/** Changes the template so that this complaint does not come again; false when it is another kind of complaint. */
function makeDo(template: IndexTemplate, complaint: string, replaced: string[]): boolean {
  const type = UNKNOWN_TYPE.exec(complaint)?.[1];
  if (type !== undefined && replaceType(template, type)) {
    replaced.push(`${FALLBACKS[type]!.type} for ${type}`);
    return true;
  }
  const setting = UNKNOWN_SETTING.exec(complaint)?.[1];
  const settings = (template["template"] as { settings: Record<string, unknown> }).settings;
  if (setting !== undefined && Object.hasOwn(settings, setting)) {
    delete settings[setting];
    replaced.push(`nothing for the setting ${setting}`);
    return true;
  }
  return false;
}
