// Makes the lines of test/golden/lines: starts real programs of Debian in a temporary folder, on loopback, makes them log
// whatever they log, and writes their lines with names and folders of this machine made harmless. Run as root or as any user.
//
//     node scripts/real-lines.mjs [ROOT] [PROGRAM …]
//
// The packages: nginx-light apache2-bin haproxy rsyslog redis-server mariadb-server postgresql prometheus-node-exporter
// prometheus-alertmanager. ROOT is a folder into which they were unpacked (`dpkg -x`), where they are not installed (/ if all
// are). A program that is not there is left out. PROGRAM: only these functions of this file.
import { execFile, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createConnection, createServer } from "node:net";
import { hostname, release, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const [ROOT = "/", ...ONLY] = process.argv.slice(2);
const OUTPUT = "test/golden/lines";
const WORK = mkdtempSync(join(tmpdir(), "real-lines-"));
chmodSync(WORK, 0o777);
const libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map((folder) => join(ROOT, folder)).join(":");
const env = { ...process.env, LD_LIBRARY_PATH: libraries, LC_ALL: "C" };
const isRoot = userInfo().uid === 0;
const NOBODY = { uid: 65534, gid: 65534 };
const versions = {};
const started = [];

/** The path of a program, in ROOT or installed. */
function program(...paths) {
  return paths.flatMap((path) => [join(ROOT, path), join("/", path)]).find(existsSync);
}

function folder(name) {
  const path = join(WORK, name);
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o777);
  return path;
}

function start(file, args, options = {}) {
  const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"], ...options });
  const running = { child, text: "", ended: new Promise((done) => child.once("close", done)) };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (running.text += text));
  child.once("error", (error) => (running.text += error.message));
  started.push(running);
  return running;
}

async function stop(running, signal = "SIGTERM") {
  running.child.kill(signal);
  await running.ended;
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

/** Sends bytes to a port and reads until the other side closes, or for two seconds. */
function send(port, text) {
  return new Promise((done) => {
    const socket = createConnection(port, "127.0.0.1");
    let answer = "";
    socket.setTimeout(2000, () => socket.destroy());
    socket.on("data", (data) => (answer += data.toString("latin1"))).on("error", () => undefined);
    socket.once("close", () => done(answer));
    socket.write(text, "latin1");
  });
}

async function untilOpen(port, running) {
  for (let i = 0; i < 200; i++) {
    if (running.child.exitCode !== null) throw new Error(running.text);
    const isOpen = await new Promise((done) => {
      const socket = createConnection(port, "127.0.0.1", () => (socket.destroy(), done(true)));
      socket.once("error", () => done(false));
    });
    if (isOpen) return;
    await sleep(100);
  }
  throw new Error(`port ${port} does not open: ${running.text}`);
}

/** What people and what they should not send ask a web server. */
const REQUESTS = [
  "GET / HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0\r\nConnection: close\r\n\r\n",
  'GET /a%20b?x=1&y=%C3%A9 HTTP/1.1\r\nHost: shop.example\r\nReferer: https://shop.example/start?q="a"\r\nUser-Agent: say "hi" \\ back\r\nConnection: close\r\n\r\n',
  "HEAD / HTTP/1.0\r\n\r\n",
  "POST /index.html HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
  "OPTIONS * HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
  "GET /none.html HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.7\r\nConnection: close\r\n\r\n",
  "GET /private/ HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Basic YWRhOnNlY3JldA==\r\nConnection: close\r\n\r\n",
  "GET /dead/x HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
  "GET /empty/ HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
  "GET /../../etc/passwd HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "GET /\xe4\xf6\xfc HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: \xff\xfe\r\nConnection: close\r\n\r\n",
  "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
  "PROPFIND / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
  "nonsense\r\n\r\n",
  `GET /${"a".repeat(9000)} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n`,
  "GET /big HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n",
  "GET /index.html HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: curl/8.5.0\r\nRange: bytes=0-3\r\nConnection: close\r\n\r\n",
];

async function requests(port) {
  for (const request of REQUESTS) await send(port, request);
}

function site(path) {
  mkdirSync(join(path, "empty"), { recursive: true });
  mkdirSync(join(path, "private"), { recursive: true });
  writeFileSync(join(path, "index.html"), "hello, world\n");
  return path;
}

/** Keeps lines as a fixture. */
function keep(name, lines, limit = 60) {
  const clean = lines
    .map((line) =>
      line
        .replaceAll(WORK, "/srv")
        .replaceAll(ROOT === "/" ? "\0" : ROOT, "")
        .replaceAll(new RegExp(`\\b${hostname().replaceAll(".", "\\.")}\\b`, "g"), "web-1")
        .replaceAll(release(), "6.1.0"),
    )
    .map((line) => (line.length > 700 ? `${line.slice(0, 300)}${line.slice(-300)}` : line))
    .slice(0, limit);
  writeFileSync(join(OUTPUT, `${name}.log`), clean.join("\n") + "\n");
  console.log(`${name}: ${clean.length} lines`);
}

const linesOf = (path) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");

async function nginx() {
  const file = program("usr/sbin/nginx");
  if (file === undefined) return;
  versions.nginx = (await run(file, ["-v"], { env })).stderr.trim();
  const [path, port, dead] = [folder("nginx"), await freePort(), await freePort()];
  site(join(path, "www"));
  writeFileSync(join(path, "users"), "ada:$apr1$x$x\n");
  writeFileSync(
    join(path, "nginx.conf"),
    `daemon off; pid ${path}/pid; error_log ${path}/error.log info; ${isRoot ? "user nobody nogroup;" : ""}
events {}
http {
  access_log ${path}/access.log combined; client_body_temp_path ${path}/b; proxy_temp_path ${path}/p;
  fastcgi_temp_path ${path}/f; uwsgi_temp_path ${path}/u; scgi_temp_path ${path}/s; client_max_body_size 1k;
  limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;
  server {
    listen 127.0.0.1:${port}; server_name shop.example; root ${path}/www;
    location /dead/ { proxy_pass http://127.0.0.1:${dead}/; }
    location /private/ { auth_basic "private"; auth_basic_user_file ${path}/users; }
    location /often { limit_req zone=one; return 204; }
  }
}
`,
  );
  const running = start(file, ["-c", join(path, "nginx.conf"), "-e", join(path, "error.log"), "-p", path]);
  await untilOpen(port, running);
  await requests(port);
  for (let i = 0; i < 3; i++)
    await send(port, "GET /often HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n");
  running.child.kill("SIGHUP");
  await sleep(500);
  await stop(running);
  keep("nginx-access", linesOf(join(path, "access.log")));
  keep("nginx-error", linesOf(join(path, "error.log")));
}

async function apache() {
  const file = program("usr/sbin/apache2");
  if (file === undefined) return;
  versions.apache2 = (await run(file, ["-v"], { env })).stdout.split("\n")[0];
  const [path, port, dead] = [folder("apache"), await freePort(), await freePort()];
  site(join(path, "www"));
  writeFileSync(join(path, "www/.htaccess"), "");
  const modules = program("usr/lib/apache2/modules");
  const names = [
    "mpm_event",
    "authz_core",
    "authz_host",
    "authn_core",
    "authn_file",
    "auth_basic",
    "authz_user",
    "dir",
  ];
  writeFileSync(
    join(path, "apache.conf"),
    `ServerRoot ${path}
ServerName shop.example
Listen 127.0.0.1:${port}
PidFile ${path}/pid
${isRoot ? "User nobody\nGroup nogroup" : ""}
${[...names, "proxy", "proxy_http"].map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`).join("\n")}
DocumentRoot ${path}/www
ErrorLog ${path}/error.log
LogLevel info
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined
LogFormat "%h %l %u %t \\"%r\\" %>s %O" common
LogFormat "%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" vhost_combined
CustomLog ${path}/access.log combined
CustomLog ${path}/access.log common
CustomLog ${path}/access.log vhost_combined
DirectoryIndex index.html
ProxyPass /dead/ http://127.0.0.1:${dead}/
<Location /private/>
  AuthType Basic
  AuthName private
  AuthUserFile ${path}/users
  Require valid-user
</Location>
<Location /empty/>
  Require all denied
</Location>
`,
  );
  writeFileSync(join(path, "users"), "bob:{SHA}x\n");
  const running = start(file, ["-DFOREGROUND", "-f", join(path, "apache.conf")]);
  await untilOpen(port, running);
  await requests(port);
  running.child.kill("SIGUSR1");
  await sleep(1500);
  await stop(running);
  keep("apache", [...linesOf(join(path, "access.log")), ...linesOf(join(path, "error.log"))], 120);
}

/** HAProxy logs to rsyslog, which writes its usual formats. */
async function haproxy() {
  const [file, rsyslogd] = [program("usr/sbin/haproxy"), program("usr/sbin/rsyslogd")];
  if (file === undefined || rsyslogd === undefined) return;
  versions.haproxy = (await run(file, ["-v"], { env })).stdout.split("\n")[0];
  versions.rsyslog = (await run(rsyslogd, ["-v"], { env })).stdout.split("\n")[0].trim();
  const path = folder("haproxy");
  const [syslog, http, tcp, up, dead] = await Promise.all([1, 2, 3, 4, 5].map(freePort));
  const modules = program("usr/lib/x86_64-linux-gnu/rsyslog");
  writeFileSync(
    join(path, "rsyslog.conf"),
    `module(load="imudp") input(type="imudp" address="127.0.0.1" port="${syslog}")
*.* action(type="omfile" file="${path}/precise.log" template="RSYSLOG_FileFormat")
*.* action(type="omfile" file="${path}/old.log" template="RSYSLOG_TraditionalFileFormat")
*.* action(type="omfile" file="${path}/rfc5424.log" template="RSYSLOG_SyslogProtocol23Format")
`,
  );
  const collector = start(rsyslogd, ["-n", "-f", join(path, "rsyslog.conf"), "-i", join(path, "pid"), "-M", modules]);
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"));
  });
  await new Promise((done) => server.listen(up, "127.0.0.1", done));
  await sleep(1000);
  writeFileSync(
    join(path, "haproxy.cfg"),
    `global
  log 127.0.0.1:${syslog} local0
defaults
  log global
  timeout connect 500
  timeout client 1500
  timeout server 1500
frontend web
  mode http
  option httplog
  bind 127.0.0.1:${http}
  capture request header User-Agent len 40
  use_backend dead if { path_beg /dead }
  http-request deny if { path_beg /private }
  default_backend app
backend app
  mode http
  server a1 127.0.0.1:${up} check inter 500
backend dead
  mode http
  server d1 127.0.0.1:${dead} check inter 300
listen raw
  mode tcp
  option tcplog
  bind 127.0.0.1:${tcp}
  server t1 127.0.0.1:${up}
`,
  );
  const running = start(file, ["-db", "-f", join(path, "haproxy.cfg")]);
  await untilOpen(http, running);
  await requests(http);
  await send(tcp, "hello\n");
  await sleep(1500);
  await stop(running, "SIGUSR1");
  await new Promise((done) => server.close(done));
  await sleep(500);
  await stop(collector);
  const [precise, old] = [linesOf(join(path, "precise.log")), linesOf(join(path, "old.log"))];
  keep(
    "haproxy",
    [...precise, ...old].filter((line) => line.includes(" haproxy[")),
    120,
  );
  keep("syslog", [...precise, ...old, ...linesOf(join(path, "rfc5424.log"))], 120);
}

async function redis() {
  const file = program("usr/bin/redis-server", "usr/bin/redis-check-rdb");
  if (file === undefined) return;
  const path = folder("redis");
  const args = ["--dir", path, "--bind", "127.0.0.1", "--logfile", join(path, "redis.log"), "--loglevel", "debug"];
  const named = { argv0: "redis-server" };
  versions.redis = (await run(file, ["--version"], { env, ...named })).stdout.trim();
  const ports = [await freePort(), await freePort()];
  const master = start(file, ["--port", String(ports[0]), ...args], named);
  await untilOpen(ports[0], master);
  const replicaFolder = folder("replica");
  const replica = start(
    file,
    [
      ...["--port", String(ports[1]), "--dir", replicaFolder, "--bind", "127.0.0.1"],
      ...["--logfile", join(replicaFolder, "redis.log"), "--replicaof", "127.0.0.1", String(ports[0])],
    ],
    named,
  );
  await untilOpen(ports[1], replica);
  const commands = ["SET a 1", "BGSAVE", "CONFIG SET maxmemory 1mb", "NONSENSE", "DEBUG SLEEP 0.1", "BGREWRITEAOF"];
  for (const command of commands) {
    await send(ports[0], `${command}\r\nQUIT\r\n`);
    await sleep(300);
  }
  await sleep(2000);
  await stop(replica);
  await stop(master);
  keep("redis", [...linesOf(join(path, "redis.log")), ...linesOf(join(replicaFolder, "redis.log"))], 120);
}

/** Two programs in Go whose loggers write logfmt. */
async function prometheus() {
  const files = ["prometheus-node-exporter", "prometheus-alertmanager"].map((name) => program(`usr/bin/${name}`));
  if (files.includes(undefined)) return;
  const [exporter, alertmanager] = files;
  versions.prometheus = (await run(exporter, ["--version"], { env })).stdout.split("\n")[0];
  versions.alertmanager = (await run(alertmanager, ["--version"], { env })).stdout.split("\n")[0];
  const path = folder("prometheus");
  const ports = [await freePort(), await freePort()];
  const address = (port) => ["--web.listen-address", `127.0.0.1:${port}`, "--log.level", "debug"];
  const exporting = start(exporter, address(ports[0]));
  await untilOpen(ports[0], exporting);
  await send(ports[0], "GET /metrics HTTP/1.0\r\n\r\n");
  await stop(exporting);
  const config = join(path, "alertmanager.yml");
  writeFileSync(config, "route: { receiver: none }\nreceivers: [{ name: none }]\n");
  const args = ["--config.file", config, "--storage.path", path, "--cluster.listen-address", "", ...address(ports[1])];
  // Without its templates, which are not where it looks for them, it ends by itself.
  const alerting = start(alertmanager, args);
  await Promise.race([alerting.ended, sleep(3000)]);
  await stop(alerting);
  const lines = [exporting, alerting].flatMap(({ text }) => text.split("\n"));
  // What is mounted where is this machine's own affair.
  const isOurs = (line) => line.startsWith("ts=") && !/collector=(?:filesystem|systemd|nfs)|mount/.test(line);
  keep("logfmt", lines.filter(isOurs), 200);
}

async function postgresql() {
  const base = ["/usr/lib/postgresql", join(ROOT, "usr/lib/postgresql")].find(existsSync);
  if (base === undefined) return;
  const bin = join(base, readdirSync(base).sort().at(-1), "bin");
  versions.postgresql = (await run(join(bin, "postgres"), ["--version"], { env })).stdout.trim();
  const path = folder("postgresql");
  const as = isRoot ? NOBODY : {};
  const port = await freePort();
  await run(join(bin, "initdb"), ["-D", join(path, "data"), "-U", "ada", "--auth=trust"], { env, ...as, cwd: path });
  const options = {
    ...{ log_line_prefix: "%m [%p] %q%u@%d ", log_min_duration_statement: "0", log_connections: "on" },
    ...{
      log_disconnections: "on",
      log_lock_waits: "on",
      log_temp_files: "0",
      log_checkpoints: "on",
      log_timezone: "UTC",
    },
    ...{
      listen_addresses: "127.0.0.1",
      port: String(port),
      unix_socket_directories: path,
      log_error_verbosity: "default",
    },
  };
  const settings = Object.entries(options).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const running = start(join(bin, "postgres"), ["-D", join(path, "data"), ...settings], { ...as, cwd: path });
  await untilOpen(port, running);
  const psql = (sql, database = "postgres") =>
    run(join(bin, "psql"), ["-h", "127.0.0.1", "-p", String(port), "-U", "ada", "-d", database, "-c", sql], {
      env,
      ...as,
      cwd: path,
    }).catch(() => undefined);
  const statements = [
    ...[
      "select pg_sleep(0.05)",
      "select * from none",
      "create table t (a int primary key, b text)",
      "insert into t values (1, 'é')",
    ],
    ...[
      "insert into t values (1, 'again')",
      "select 1 / 0",
      "select 'two\n\tlines'",
      "do $$ begin raise warning 'mind'; end $$",
    ],
    ...["checkpoint", "select pg_terminate_backend(pg_backend_pid())", "vacuum verbose t", "selct 1"],
  ];
  for (const sql of statements) await psql(sql);
  await psql("select 1", "nowhere");
  await send(port, "GET / HTTP/1.0\r\n\r\n");
  await stop(running, "SIGINT");
  keep(
    "postgresql",
    running.text.split("\n").filter((line) => line !== ""),
    120,
  );
}

async function mariadb() {
  const [file, client] = [program("usr/sbin/mariadbd"), program("usr/bin/mariadb")];
  if (file === undefined || client === undefined) return;
  versions.mariadb = (await run(file, ["--version"], { env })).stdout.trim();
  const [path, port] = [folder("mariadb"), await freePort()];
  const socket = join(path, "socket");
  const flags = ["--no-defaults", `--datadir=${path}`, "--skip-grant-tables", `--socket=${socket}`, `--port=${port}`];
  const logs = [
    "--slow-query-log=1",
    `--slow-query-log-file=${path}/slow.log`,
    "--long-query-time=0",
    "--bind-address=127.0.0.1",
  ];
  const share = `--lc-messages-dir=${program("usr/share/mysql")}`;
  const running = start(file, [
    ...flags,
    ...logs,
    share,
    "--log-slow-verbosity=query_plan",
    ...(isRoot ? ["--user=root"] : []),
  ]);
  await untilOpen(port, running);
  const sql =
    "create database shop; use shop; create table t (a int primary key, b varchar(20)); insert into t values (1, 'é');\n" +
    "select sleep(0.1);\nselect *\nfrom t\nwhere a = 1;\nset timestamp = default; update t set b = '# Time: no' where a = 1;\n";
  writeFileSync(join(path, "statements.sql"), sql);
  const input = spawn(client, ["--no-defaults", `--socket=${socket}`], { env, stdio: ["pipe", "ignore", "inherit"] });
  input.stdin.end(sql);
  await new Promise((done) => input.once("close", done));
  await stop(running);
  keep("mysql-slow", linesOf(join(path, "slow.log")), 120);
}

/** sshd, sudo and su, in a copy of this system: they are installed there, whatever ROOT is. */
async function auth() {
  if (!isRoot) return;
  const path = folder("auth");
  chmodSync(path, 0o755);
  const running = start("unshare", ["--mount", "--uts", "bash", "scripts/real-lines-auth.sh", path]);
  const lines = [];
  running.child.stdout.on("data", (text) => lines.push(text));
  await running.ended;
  for (const line of linesOf(join(path, "versions"))) {
    const [name, version] = line.split(" ");
    versions[name] = version;
  }
  keep(
    "auth",
    lines
      .join("")
      .split("\n")
      .filter((line) => line !== "" && !line.includes("pam_limits")),
    120,
  );
}

mkdirSync(OUTPUT, { recursive: true });
try {
  for (const make of [nginx, apache, haproxy, redis, prometheus, postgresql, mariadb, auth]) {
    try {
      if (ONLY.length === 0 || ONLY.includes(make.name)) await make();
    } catch (error) {
      console.error(`${make.name}: ${error.message.slice(0, 600)}`);
      process.exitCode = 1;
    }
  }
  const known = join(OUTPUT, "versions.json");
  const before = existsSync(known) ? JSON.parse(readFileSync(known, "utf8")) : {};
  const harmless = Object.entries(versions).map(([name, text]) => [
    name,
    text.replaceAll(ROOT === "/" ? "\0" : ROOT, ""),
  ]);
  writeFileSync(known, JSON.stringify({ ...before, ...Object.fromEntries(harmless) }, null, 2) + "\n");
} finally {
  for (const { child } of started) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  rmSync(WORK, { recursive: true, force: true });
}
