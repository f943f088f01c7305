package command

const reportHelp = `report sums up many conversations: how they ended, latencies, tokens, cost, failures
and the platform's evaluations. It says over how many of how many it speaks, compares
with an earlier report, and decides whether a CI job passes.

Usage: starter report [flags]

Forms: html (one file that loads nothing), markdown (for pull requests), json (the
baseline of a later report), junit (one test case for each conversation).

A condition of --fail-on is FIGURE OPERATOR LIMIT: failed>0, ended_rate<0.95,
reply_p95>5s, score_mean<0.7, cost>2.50; with --baseline also regressions>0, changed>0,
missing>0. docs/reports.md has all figures. One whose figure is not known holds.

Exit codes: 5 a condition of --fail-on holds; others as usual.`

const reportExample = `  starter report --simulation sim_12 --output report.html --output report.json
  starter report --simulation sim_13 --baseline report.json --fail-on "regressions>0"
  starter report --agent support --since 24h --format junit --output junit.xml
  starter report --since 7d --fail-on "failed_rate>2%" --fail-on "reply_p95>5s"`

const exportHelp = `export writes conversations for evaluation and training, one JSON document a line: as
chat messages with tool calls, which services for both accept, or in ShareGPT's form
(--format). What a form cannot express is left out and counted on standard error. A file
is whole or not there.

Usage: starter export [flags]

--redact replaces e-mail addresses, card numbers (with a right check digit) and telephone
numbers (+49…; phone:DE also those in the national form) by [email], [card] and [phone],
in messages, arguments and results of tools, and metadata. --redact-pattern and
--redact-file add regular expressions (RE2). A match that spans two messages, or two
parts of one, is not found.`

const exportExample = `  starter export --simulation sim_12 --output sim_12.jsonl
  starter export --agent support --status closed --outcome ended --redact email,card,phone > support.jsonl
  starter export --format sharegpt --since 7d --redact-pattern 'order=ORD-\d+' --output week.jsonl`
