import { readFile, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Place } from "./generation.ts";

/** What can be said of a file beside its path, as `log.file.<name>`. */
export const FILE_FIELDS = ["name", "directory", "path_resolved", "inode", "device_id"] as const;
export type FileField = (typeof FILE_FIELDS)[number];

/** Fields that all events of a file have, by name. */
export type FieldList = readonly (readonly [name: string, value: string | number])[];

/** What is added to events of a file. */
export interface MetadataRules {
  readonly fileFields: readonly FileField[];
  readonly isContainer: boolean;
}

/** Never throws: what cannot be found out is left out. */
export async function metadataOf(path: string, place: Place, rules: MetadataRules | undefined): Promise<FieldList> {
  if (rules === undefined || (rules.fileFields.length === 0 && !rules.isContainer)) return [];
  const resolved = await realpath(place.path).catch(() => place.path);
  const values: Record<FileField, string> = {
    name: basename(path),
    directory: dirname(path),
    path_resolved: resolved,
    inode: place.ino,
    device_id: place.dev,
  };
  const fields: [string, string | number][] = rules.fileFields.map((name) => [`log.file.${name}`, values[name]]);
  if (!rules.isContainer) return fields;
  const found = new Map([...containerFields(resolved), ...containerFields(path)]);
  const id = found.get("container.id");
  // Docker's own description of the container lies beside its log.
  if (basename(resolved) === `${id}-json.log`) {
    const described = await readFile(join(dirname(resolved), "config.v2.json"), "utf8").catch(() => "");
    for (const [name, value] of dockerFields(described)) if (!found.has(name)) found.set(name, value);
  }
  return [...fields, ...found];
}

/** kubelet: /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log */
const CONTAINERS = /\/([^/_]+)_([^/_]+)_([^/]+)-([0-9a-f]{64})\.log[^/]*$/;
/** kubelet: /var/log/pods/NAMESPACE_POD_UID/CONTAINER/RESTARTS.log; the UID of a static pod is a hash. */
const PODS = /\/([^/_]+)_([^/_]+)_([0-9a-f-]{32,36})\/([^/]+)\/(\d+)\.log[^/]*$/;
/** Docker: …/containers/ID/ID-json.log; Podman: …/overlay-containers/ID/userdata/ctr.log */
const OWN_FOLDER = /\/([0-9a-f]{64})\/(?:\1-json\.log|userdata\/ctr\.log)[^/]*$/;

/** What the path of a container's log says of it, in ECS names and those of Kubernetes integrations. */
export function containerFields(path: string): FieldList {
  const own = OWN_FOLDER.exec(path);
  if (own !== null) return [["container.id", own[1]!]];
  const inContainers = CONTAINERS.exec(path);
  if (inContainers !== null) {
    const [, pod, namespace, container, id] = inContainers as unknown as string[];
    return [["container.id", id!], ...podFields(namespace!, pod!, container!)];
  }
  const inPods = PODS.exec(path);
  if (inPods === null) return [];
  const [, namespace, pod, uid, container, restarts] = inPods as unknown as string[];
  return [
    ...podFields(namespace!, pod!, container!),
    ["kubernetes.pod.uid", uid!],
    ["kubernetes.container.restart_count", Number(restarts)],
  ];
}

function podFields(namespace: string, pod: string, container: string): [string, string][] {
  return [
    ["container.name", container],
    ["kubernetes.container.name", container],
    ["kubernetes.namespace", namespace],
    ["kubernetes.pod.name", pod],
    ["orchestrator.type", "kubernetes"],
    ["orchestrator.namespace", namespace],
    ["orchestrator.resource.type", "pod"],
    ["orchestrator.resource.name", pod],
  ];
}

/** What Docker's config.v2.json says: name and image. */
export function dockerFields(json: string): FieldList {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return [];
  }
  const { Name: name, Config: config } = (value ?? {}) as { Name?: unknown; Config?: { Image?: unknown } | null };
  const image = typeof config === "object" ? config?.Image : undefined;
  const fields: [string, string][] = [];
  if (typeof name === "string" && name !== "") fields.push(["container.name", name.replace(/^\//, "")]);
  if (typeof image === "string" && image !== "") fields.push(["container.image.name", image]);
  return fields;
}
