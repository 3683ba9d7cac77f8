import { alignColumns, formatBytes, formatCount, paint, type Terminal } from "../terminal.ts";
import type { Measured, Size } from "./measure.ts";

const DAY = 86_400;

/** What `--json` prints. */
export function estimateJson(measured: Measured, disk: Disk): Record<string, unknown> {
  const { seconds, packets, bytes, extremes, pcap, outputs, talkers, end } = measured;
  return {
    ...{ seconds, packets, bytes },
    ...{ packets_per_second: rate(packets, seconds), bytes_per_second: rate(bytes, seconds) },
    ...(extremes === undefined ? {} : { extremes }),
    pcap: { ...pcap, ...forecast(pcap, seconds, disk) },
    outputs: Object.fromEntries(
      Object.entries(outputs).map(([name, size]) => [name, { ...size, ...forecast(size, seconds, disk) }]),
    ),
    ...{ disk_bytes: disk.bytes, top_talkers: talkers, end: end.kind },
  };
}

/** The disk that retention is worked out for. */
export interface Disk {
  readonly bytes: number;
  /** Where it comes from: `--disk`, or what is free where. */
  readonly what: string;
}

function rate(count: number, seconds: number): number {
  return seconds === 0 ? 0 : count / seconds;
}

function forecast({ raw_bytes, compressed_bytes }: Size, seconds: number, disk: Disk): Record<string, number | null> {
  const [raw, packed] = [rate(raw_bytes, seconds), rate(compressed_bytes, seconds)];
  return {
    ...{ raw_bytes_per_minute: raw * 60, raw_bytes_per_hour: raw * 3600, raw_bytes_per_day: raw * DAY },
    ...{ compressed_bytes_per_minute: packed * 60, compressed_bytes_per_hour: packed * 3600 },
    compressed_bytes_per_day: packed * DAY,
    retention_days_raw: raw === 0 ? null : disk.bytes / (raw * DAY),
    retention_days_compressed: packed === 0 ? null : disk.bytes / (packed * DAY),
  };
}

/** The same for people. */
export function estimateLines(measured: Measured, disk: Disk, terminal: Terminal): string[] {
  const { seconds, packets, bytes, extremes, talkers } = measured;
  const lines = [
    `${formatCount(packets)} packets, ${formatBytes(bytes)} on the wire in ${formatCount(Math.round(seconds))} s: ${rateText(packets, bytes, seconds)}`,
  ];
  if (extremes !== undefined) {
    const { stretch_seconds: stretch, idle, busy } = extremes;
    const of = (each: typeof idle): string => rateText(each.packets_per_second, each.bytes_per_second, 1);
    const name = stretch === 60 ? "minute" : stretch === 1 ? "second" : `${stretch} s`;
    lines.push(`quietest ${name}: ${of(idle)}; busiest ${name}: ${of(busy)}`);
  }
  const rows = [
    [
      "",
      "EVENTS",
      "RAW",
      "GZIP",
      "RAW/MIN",
      "GZIP/MIN",
      "RAW/HOUR",
      "GZIP/HOUR",
      "RAW/DAY",
      "GZIP/DAY",
      "DISK FULL IN",
    ],
  ];
  for (const [name, size] of [["pcap", measured.pcap] as const, ...Object.entries(measured.outputs)])
    rows.push(sizeRow(name, size, seconds, disk));
  const [header = "", ...rest] = alignColumns(rows);
  lines.push("", paint(terminal, "bold", header), ...rest);
  lines.push(paint(terminal, "dim", `disk: ${formatBytes(disk.bytes)} (${disk.what}); full in: raw, and compressed`));
  if (talkers.length > 0) {
    const shown = talkers.map(({ address, bytes: own }) => [address, formatBytes(own), share(own, bytes)]);
    lines.push("", paint(terminal, "bold", "TOP TALKERS (sent and received)"), ...alignColumns(shown));
  }
  return lines;
}

function sizeRow(name: string, size: Size, seconds: number, disk: Disk): string[] {
  const [raw, packed] = [rate(size.raw_bytes, seconds), rate(size.compressed_bytes, seconds)];
  const per = (length: number): string[] => [formatBytes(raw * length), formatBytes(packed * length)];
  const full = `${daysText(disk.bytes, raw)}, ${daysText(disk.bytes, packed)}`;
  const sizes = [formatBytes(size.raw_bytes), formatBytes(size.compressed_bytes)];
  return [name, formatCount(size.events), ...sizes, ...per(60), ...per(3600), ...per(DAY), full];
}

function rateText(packets: number, bytes: number, seconds: number): string {
  const each = rate(packets, seconds);
  return `${each >= 10 ? formatCount(Math.round(each)) : each.toFixed(1)} packets/s, ${formatBytes(rate(bytes, seconds))}/s`;
}

function share(part: number, all: number): string {
  return all === 0 ? "" : `${Math.round((100 * part) / all)} %`;
}

function daysText(diskBytes: number, bytesPerSecond: number): string {
  if (bytesPerSecond === 0) return "never";
  const hours = diskBytes / bytesPerSecond / 3600;
  if (hours < 48) return `${hours < 10 ? hours.toFixed(1) : Math.round(hours)} hours`;
  const days = hours / 24;
  return days < 730 ? `${Math.round(days)} days` : `${formatCount(Math.round(days / 365))} years`;
}
