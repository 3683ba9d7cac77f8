const AGENTS = [
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "curl/8.5.0",
  "-",
  "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
];
const START = Date.parse("2019-12-11T20:47:14Z");
const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

function clock(ms: number): string {
  const iso = new Date(ms).toISOString();
  const month = MONTHS.slice(Number(iso.slice(5, 7)) * 3 - 3, Number(iso.slice(5, 7)) * 3);
  return `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}

/** Lines of each kind, made by their number, like those of real programs. */
export const MADE_LINES: Readonly<Record<string, (i: number) => string>> = {
  nginx: (i) =>
    `${10 + (i % 90)}.${i % 256}.7.${i % 200} - ${i % 15 === 0 ? "user7" : "-"} [${clock(START + Math.floor(i / 250) * 1000)}] "GET /api/v1/items/${i}?rid=${i.toString(16).padStart(8, "0")} HTTP/1.1" ${i % 20 === 0 ? 404 : 200} ${i % 9000} "${i % 3 === 0 ? "https://www.example.com/" : "-"}" "${AGENTS[i % 4]!}"`,
  connections: (i) => {
    const iso = new Date(START + i * 5).toISOString();
    return `${iso.slice(0, 10).replaceAll("-", ".")}, ${iso.slice(11, 19)}.0${iso.slice(20, 23)} UTC -> Socket connected successfully`;
  },
  json: (i) =>
    JSON.stringify({
      ts: new Date(START + i * 5).toISOString(),
      level: "info",
      logger: "http.server",
      pid: 4711,
      msg: "request done",
      req: { method: "GET", url: `/api/v1/items?rid=${i}`, proto: "1.1", remote: "10.0.0.1", user: "-", ua: AGENTS[0] },
      res: { status: 200, bytes: i % 9000, ms: 12.5 },
    }),
  logfmt: (i) =>
    `time=${new Date(START + i * 5).toISOString()} level=info caller=http.go:${i % 90} msg="request done" method=GET path=/api/v1/items/${i} status=200 took=0.0${i % 9}`,
  csv: (i) =>
    `${new Date(START + i * 5).toISOString()},10.0.0.${i % 200},GET,/api/v1/items/${i},200,"a, b",${i % 9000}`,
  dissect: (i) => `10.0.0.${i % 200} [${clock(START + i * 5)}] worker-${i % 8} INFO request done in ${i % 90} ms`,
  syslog: (i) =>
    `2019-12-11T20:47:${String(i % 60).padStart(2, "0")}.123456+00:00 gate sshd[${i % 30_000}]: Failed password for root from 10.0.0.${i % 200} port ${i % 60_000} ssh2`,
  rfc5424: (i) =>
    `<165>1 2019-12-11T20:47:${String(i % 60).padStart(2, "0")}.123Z gate evntslog ${i % 30_000} ID47 [exampleSDID@32473 iut="3" eventID="${i}"] An application event log entry`,
  cef: (i) =>
    `CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.${i % 200} dst=2.1.2.2 spt=${i % 60_000} act=blocked msg=Detected a threat cs1=x`,
  w3c: (i) =>
    i === 0
      ? "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken"
      : `2019-12-11 20:47:${String(Math.floor(i / 250) % 60).padStart(2, "0")} 127.0.0.1 GET /api/v1/items/${i} rid=${i} 443 - 10.0.0.${i % 200} Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64)+Gecko/20100101+Firefox/127.0 - 200 0 0 ${i % 900}`,
  list: (i) => `a=${i};b=${i};c=${i};d=${i}`,
};
