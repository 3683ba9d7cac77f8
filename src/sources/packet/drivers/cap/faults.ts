/** What the addon keeps of a packet at most. */
export const CAP_SNAP_LENGTH = 65_535;

/** What it cannot honour: JSON pointer and message. */
export function capFaults(options: {
  readonly snap_length: number;
  readonly promiscuous: boolean;
  readonly service_socket?: string | undefined;
}): [string, string][] {
  const instead = 'the driver "cap" cannot do that: take tcpdump or dumpcap';
  const faults: [string, string][] = [];
  const { snap_length: snapLength, promiscuous } = options;
  if (snapLength > CAP_SNAP_LENGTH && snapLength !== 262_144)
    faults.push(["/snap_length", `more than ${CAP_SNAP_LENGTH} bytes of a packet: ${instead}`]);
  if (!promiscuous) faults.push(["/promiscuous", `it always takes packets for others, too: ${instead}`]);
  if (options.service_socket !== undefined)
    faults.push(["/service_socket", 'the capture service runs tcpdump: leave "driver" out']);
  return faults;
}
