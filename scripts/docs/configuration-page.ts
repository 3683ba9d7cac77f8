import {
  BATCH,
  PIPELINE,
  PIPELINE_FILE,
  PIPELINE_TEST,
  SECTIONS,
  SETTINGS,
  STAGE_COMMON,
  WHEN_FULL,
} from "../../src/runtime/config/host-schema.ts";
import { code, GENERATED, optionRows, table } from "./markdown.ts";

const HEAD = ["Key", "Type", "Default", "Meaning"];

/** The reference page of everything in a host file and a pipeline file that is not a component's own. */
export function configurationPage(): string {
  const fixLinks = (text: string): string => text.replaceAll("(../../kql.md)", "(../kql.md)");
  const sections = Object.entries(SECTIONS).map(([name, description]) => [code(name), "map", "–", description]);
  const parts = [
    "# Configuration reference\n\nHow it all fits together: [configuration](../configuration.md), [pipelines](../pipelines.md).\n",
    `## Host file\n\n${table(HEAD, [...optionRows({ properties: SETTINGS, required: [] }), ...sections])}`,
    `## One of \`pipelines\`\n\n${table(HEAD, optionRows(PIPELINE))}`,
    `## Every stage\n\n${table(HEAD, optionRows({ properties: STAGE_COMMON, required: [] }))}`,
    `## \`batch\` of every sink\n\n${table(HEAD, optionRows(BATCH))}`,
    `## Every sink\n\n${table(HEAD, optionRows({ properties: { when_full: WHEN_FULL }, required: [] }))}`,
    `## Pipeline file\n\n${table(
      HEAD,
      optionRows(PIPELINE_FILE).filter(([name]) => name?.startsWith("`tests[]") !== true),
    )}`,
    `## One of \`tests\`\n\n${table(HEAD, optionRows(PIPELINE_TEST))}`,
    `## Placeholders\n\n${table(["Placeholder", "Value", "Set by"], PLACEHOLDERS)}`,
  ];
  return GENERATED + fixLinks(parts.join("\n"));
}

const PLACEHOLDERS = [
  ["`{hostname}`, `{local_hostname}`", "the host's name", "`WIRETAIL_HOSTNAME`, else the system"],
  [
    "`{ip_address}`",
    "the first IPv4 address that is not loopback; `UNKNOWN-IP` without one",
    "`WIRETAIL_IP_ADDRESS`, else the system",
  ],
  ["`{instance_id}`", "the EC2 instance; `i-UNKNOWN` elsewhere", "`WIRETAIL_INSTANCE_ID`, else the metadata service"],
  [
    "`{aws_region}`",
    "the AWS region; `UNKNOWN-REGION` elsewhere",
    "`AWS_REGION`, `AWS_DEFAULT_REGION`, else the metadata service",
  ],
  [
    "`{account_id}`",
    "the AWS account; `UNKNOWN-ACCOUNT` elsewhere",
    "`WIRETAIL_ACCOUNT_ID`, else the metadata service",
  ],
  ["`{date}`, `{date:%Y.%m.%d}`", "the event's UTC day; %Y %m %d %H", "the event's `@timestamp`"],
  ["`{{`, `}}`", "a brace", ""],
];
