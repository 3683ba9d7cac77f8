import { readdirSync, readFileSync } from "node:fs";

/** What a process and all below it have used so far. Linux only: it reads /proc. */
export interface TreeUse {
  /** User and system time, with that of children that have ended and were waited for. */
  readonly cpuSeconds: number;
  /** The sum of each process's highest resident memory (VmHWM), in bytes. */
  readonly peakBytes: number;
  readonly processes: number;
}

/** Linux's USER_HZ: what /proc counts time in, 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

export function treeUse(root: number): TreeUse {
  let ticks = 0;
  let peakBytes = 0;
  let processes = 0;
  for (const pid of tree(root)) {
    const fields = statFields(pid);
    if (fields === undefined) continue;
    processes++;
    // utime, stime, cutime, cstime: fields 14 to 17 of proc(5), counted from "state" here.
    for (let i = 11; i <= 14; i++) ticks += Number(fields[i]);
    const status = readOrEmpty(`/proc/${pid}/status`);
    peakBytes += Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  }
  return { cpuSeconds: ticks / TICKS_PER_SECOND, peakBytes, processes };
}

/** Seconds that all cores together have been busy since the machine started. */
export function machineBusySeconds(): number {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync("/proc/stat", "utf8")
    .split("\n", 1)[0]!
    .split(/\s+/);
  return [user, nice, system, irq, softirq, steal].reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

function tree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statFields(Number(name))?.[1]);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [Number(name)]);
    else siblings.push(Number(name));
  }
  const found = [root];
  for (let i = 0; i < found.length; i++) found.push(...(children.get(found[i]!) ?? []));
  return found;
}

/** The fields of /proc/PID/stat from "state" on: the name before them may hold spaces. */
function statFields(pid: number): string[] | undefined {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  return stat === "" ? undefined : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
