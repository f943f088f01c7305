package apierror

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/parley-run/parley/conversation"
)

// A phrase gives a kind by the words of a message.
type phrase struct {
	kind    conversation.Kind
	pattern *regexp.Regexp
	except  *regexp.Regexp // words that say that the phrase means something else; nil: none
}

// spokenKind is the kind that a message gives under a status. The first phrase counts.
func spokenKind(message string, status int) (conversation.Kind, bool) {
	for _, p := range phrases {
		if !weighs(p.kind, status) {
			continue
		}
		if p.pattern.MatchString(message) && (p.except == nil || !p.except.MatchString(message)) {
			return p.kind, true
		}
	}
	return "", false
}

// weighs reports whether words may change the meaning of a status into the kind. A status
// about the account or the rate is not overruled by words about the request or the server,
// and one about the server not by words about the request, since another try may help.
func weighs(kind conversation.Kind, status int) bool {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusForbidden,
		status == http.StatusRequestEntityTooLarge, status == http.StatusTooManyRequests:
		return kind != down && kind != invalid
	case status >= 500:
		return kind != invalid
	}
	return true
}

// alternatives makes a pattern of any of the given ones, in any case.
func alternatives(patterns ...string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)` + strings.Join(patterns, "|"))
}

// phrases are tried in this order.
var phrases = []phrase{
	{down, alternatives(`context (deadline exceeded|cancell?ed)`, `(model|llama runner|engine).{0,40}(has )?(crashed|terminated|unloaded)`, `requires more (system )?memory`,
		`(unable|failed|not enough memory) to (allocate|create|load)|out of memory|insufficient (system )?resources`), nil},
	{invalid, tooManyOutput, alternatives(`context|prompt|input|message`)},
	{long, tooLong, notTooLong},
	{refused, filtered, nil},
	{quota, empty, nil},
	{limited, alternatives(`rate limit (reached|exceeded|quota)[^.]{0,120}(per (min|sec|hour)|\(?(tpm|rpm|qps))`, `per[-_ ]?(minute|min|second|hour)([^a-z].{0,80})?(exceeded|exhausted|reached|limit)|(exceed|exhaust|reach|limit).{0,160}per[-_ ]?(minute|min|second|hour)([^a-z]|$)`), nil},
	{quota, spent, alternatives(`check quota\)`)},
	{unauth, wrongKey, nil},
	{down, loading, nil},
	{invalid, unknownModel, nil},
	{unauth, alternatives(`not authorized to (access|perform|invoke|use)|(do|does) not have (permission|access)|permission denied|access denied`), nil},
	{invalid, unsupported, nil},
	{limited, tooFast, nil},
	{down, overloaded, nil},
}

// tooManyOutput matches refusals of a limit on the answer: to send less does not help.
var tooManyOutput = alternatives(
	"max_?(completion_|output_|new_)?tokens\\W.{0,60}(too large|too high|too big|exceeds|must be|should be|valid range|at most|less than|maximum allowed)",
	"(valid )?range of \\W?max_?tokens", "maximum tokens you requested exceeds", "supports at most \\d+ (completion|output) tokens",
	"maximum allowed number of output tokens",
)

// tooLong matches the ways to say that a request does not fit the model.
var tooLong = alternatives(
	`(maximum|max|model'?s?|available|allowed|configured|loaded with|token) (allowed )?context[- ]?(length|window|size|limit)?\b`,
	`context[-_ ]?(length|window|size|limit|overflow)s?\b.{0,60}(exceed|too (long|small|large)|not enough|overflow|smaller|limit)`,
	`(exceed|overflow|longer than|greater than|larger than|beyond|too large for|fit|surpass)\w*\b.{0,60}\bcontext\b`,
	`context (overflow|window overflow)|reached context length|context( length| window| size)? (is |was )?too (long|large)`,
	`\bcontext (length|window|size) (of|is|has been|was) (only )?(\d|exceeded)`,
	`(prompt|input|conversation|messages?|request|query|history)( text| token count)?( is| was| are)? (far |way |much )?(too long|too large for (the |this )?model)`,
	`(prompt|input|message|token|sequence|total)( token)?s?( length| count)?.{0,60}(exceed|longer than|greater than|more than|over the|larger than)\w*.{0,60}(max|limit|length|allowed|supports?|configured)`,
	`(maximum|max)(imum)? (model|prompt|input|sequence|message)s?[- _]?(length|len|tokens?|size|characters)`,
	`max_(seq_len|model_len|input_len|input_length|input_tokens|position_embeddings|prompt_tokens)|session_len|max_total_tokens`,
	"`?inputs`? tokens \\+ `?max_new_tokens`? must be|`?inputs`? must have less than",
	`too many (input |prompt )?tokens`, `(input|prompt) tokens? (exceed|limit)`, `token count is \d+ but`, `context ?window ?exceeded`, `tokens? (in|of) (the|your) (prompt|messages?|input) exceed`,
	`reduce (the )?(length|size) of (the |your |either )?(messages?|prompt|input|one|conversation)`, `decrease input length`,
	`model token limit`, `exceeds? (the )?(model'?s? )?(token|input) limit`, `token count.{0,60}exceeds`,
	`range of input length should be`, `total message token length`, `number of tokens to keep from the initial prompt`,
	`keep the first \d+ tokens`, `input is too (long|large)`, `body too large for .{1,80} model`, `request payload size exceeds`, `string too long`,
	`(messages|input)\W{0,3}: array too long`, `size limit exceeded by \d+ tokens`, `increase the physical batch size`, `requested tokens \(\d+\) exceed`,
	`prompt length \(?\d+\)? (exceeds|is greater)`, `default_max_tokens \(-?\d+\)`, `(超长|过长|超出.{0,8}(长度|上下文|限制)|上下文.{0,6}超|长度超|最大长度)`,
)

// notTooLong matches sentences about a context that do not say that a request is too long.
var notTooLong = alternatives(
	`rate limit|per[-_ ]?(minute|min|second|hour|day)|\bquota\b`, `context_management|extra inputs are not permitted`, `insufficient|balance|credit`,
	`header|cookie|url too (long|large)|uri`, `(image|file|attachment|audio|video)s?\b.{0,40}(exceed|too (large|long|big)|maximum)`, `\btools?\W{0,3}: array too long|stop\W{0,3}: array`,
	`timeout|timed out`, `context .{0,20}not found`,
)

// filtered matches refusals of content.
var filtered = alternatives(
	`content (management )?(policy|policies|filter(ing)?|safety|moderation)`, `content exists risk`, `considered high risk`, `blocked by (our |the )?(content|safety|moderation)`,
	`(was|been|is|were|input|prompt|request|output) flagged`, `violat(e|es|ed|ing|ion of)\b.{0,60}(policy|policies|guidelines|terms)`, `safety (system|filter|settings|policy)`, `responsible ai`,
	`(sensitive|inappropriate|harmful|unsafe|prohibited) (content|words?|information|material|data|language|text)`, `(content|input|output|prompt|text|data) (is |was |may |might |contains? |be )+(sensitive|inappropriate|unsafe|harmful)`,
	`(input|output|new)_sensitive`, `data_inspection`, `(敏感|违规|不安全|不当|涉政|色情)`,
)

// empty matches the words for an account without money, which no rate limit uses.
var empty = alternatives(
	`insufficient[-_ ]?(account )?(balance|quota|credits?|funds?|tokens? balance)`, `not (have )?enough (credits?|balance|funds?|quota)`, `(credit|account) balance (is )?(too low|insufficient|negative|exhausted|not enough)`,
	`(don'?t|do not|doesn'?t|does not|didn'?t) have (any|enough|sufficient) (credits?|balance|funds?|quota)`, `(credits?|balance|funds?) (are|is|has been|have been|was|were)? ?(depleted|exhausted|used up|insufficient|not enough|empty|zero|negative|expired|ran out)`,
	`(out of|no (more|remaining)?|ran out of|run out of|used (up )?all( of)? (your|the)( available| monthly| included)?|zero|0) credits?\b`, `requires more credits|can only afford|more credits (are|is) (needed|required)|add (more )?credits? (at|to|in|before)`, `out of (extra )?usage`,
	`arrears?\b|arrearage|overdue|欠费|余额不足|余额已|充值|额度不足|额度已|配额不足|套餐已`, `account is (not )?in good standing|your account is in good standing`,
	`(please |to )(recharge|top[- ]?up)|recharge (your|the|and)|top[- ]?up (your|the)`, `billing (hard )?(limit|not active|is not active|is disabled|account|to be enabled|has not)|(enable|requires) billing`, `payment (required|overdue|failed|method (is )?(required|invalid|declined|missing))|check your payment`,
	`(spend(ing)?|cost|usage|budget) (cap|limit)s? (has been |have been |was |is |have )?(reached|exceeded|hit)|(exceed|reach)\w*.{0,60}(spend(ing)?|monthly|usage|workspace api usage|api usage|cost)[- ](cap|limits?|quota)|spend(ing)? (cap|limit)`,
	`budget (has been |was |is )?(exceeded|exhausted|used up|spent)|exceed\w* .{0,30}budget|exceeded\w*budget|over budget`, `key limit exceeded`,
	`free (trial|tier|allowance|allocation|quota|credits?|usage|model requests?).{0,40}(exhausted|exceeded|expired|ended|used up|over|only)`, `used up (your|the|all)|daily free allocation`,
	`(plan|package|subscription|trial|membership|coding plan)( package)? (has |is |was )?(already )?(expired|ended|inactive|cancell?ed|exhausted|overdue)`, `no (active|valid) (subscription|plan|package)|subscription (is )?required`,
	`account .{0,60}suspended.{0,60}(billing|balance|plan)`, `purchase (more |additional )?(credits?|tokens?|quota)`,
)

// spent matches the words for a quota that is used up. Those of a rate limit per minute
// come before it.
var spent = alternatives(
	`exceeded your (current |monthly |daily |plan'?s? |account )?(token |usage |request )?quota`, `quota (has been |is |was |have been )?(exceeded|exhausted|used up|reached|insufficient|depleted)`, `(exceed|exhaust|reach|us)\w* .{0,40}\b(monthly|daily|weekly) (\w+ )?(quota|limit|allowance|cap|usage)`,
	`(monthly|weekly|usage|plan|5[- ]hour) (\w+ )?(limit|quota|allowance|cap)s? (has been |have been |was |is )?(reached|exceeded|exhausted|hit|used up)`, `usage limit (reached|exceeded)|reached your usage limit`,
	`no (remaining |more )?quota|quota .{0,20}(remaining|left)?: ?0\b|out of quota`, `free-models-per-day`, `(用量|额度|配额|次数).{0,6}(用完|耗尽|超限|用尽|上限)`,
)

// wrongKey matches refusals of a key.
var wrongKey = alternatives(
	`(invalid|incorrect|wrong|bad|missing|expired|revoked|malformed|unknown|unrecognized|disabled|deactivated|inactive|illegal)( or \w+)? (x-)?(api|access|auth|authentication|authorization|bearer|secret|security|service)[-_ ]?(key|token|credentials?|header)`,
	`(x-)?(api|access|secret|auth)[-_ ]?(key|token)s?\b.{0,60}(not valid|invalid|is (incorrect|wrong|missing|expired|required|disabled|blocked|inactive|not (valid|found|active|authorized|allowed))|expired|revoked|not found|was not found|not exist|disabled|deleted|leaked|not provided|cannot be empty|错误|无效|过期)`,
	`pass a valid api key|provide (a|your|an) (valid )?api key|no (api key|(cookie )?auth credentials|authorization header|credentials)|without (an )?api key|(didn'?t|did not) provide an api key`,
	`authentication (fails|failed|error|failure|required|is required|unsuccessful)|auth(orization)? (failed|failure)|not authenticated|invalid authentication|authorization (required|failed|failure)|failed to authenticate`,
	`(invalid|expired|bad|wrong|incorrect) (credentials?|jwt|signature)|signature.{0,60}(does not match|expired|mismatch)|jwt (expired|malformed)|security token .{0,40}(expired|invalid)|login fail(ed|ure)?\b`,
	`token (has |is |was )?(expired|revoked)|expired token|^(invalid|bad|wrong|incorrect|unknown) token\W*$`, `(organization|workspace|account|key|project) (has been|is|was) (disabled|suspended|archived|deactivated|banned|blocked|locked|terminated)`, `(鉴权|认证|身份验证)(失败|错误|未通过)|令牌(无效|已过期|验证)|无效的(令牌|密钥)|密钥(无效|错误)|api ?key.{0,10}(无效|错误|过期)`,
)

// loading matches a model that is not loaded: it may be soon.
var loading = alternatives(
	`(model|server|engine|weights|deployment|endpoint)s? .{0,80}(is |are |being |currently |still |not |un|re)+(loading|loaded|starting|initiali[sz]ing|warming|ready|provisioned|downloading|scaling)`, `loading (the )?model|no models? (is |are )?(currently )?loaded|load(ing)? in progress|cold start|warming up|please load (a|the) model`, `failed to load (the )?model|model .{0,40}failed to load`,
)

// unknownModel matches a model that the server does not have.
var unknownModel = alternatives(
	`no such model|unknown model|invalid model( name| id| identifier|_?name)?\b|not a valid model|model_not_found|model name .{0,40}(invalid|not)`,
	`\bmodels?\b[^.;]{0,120}(not found|(does|do|did) not exist|not exist|doesn'?t exist|not available|not supported|isn'?t (available|supported)|is unknown|unavailable in|could not be found|has been (deprecated|retired|removed|decommissioned)|no longer (available|supported)|is invalid|not deployed)`,
	`(not found|does not exist|no endpoints found|cannot find|could not find|couldn'?t find|unsupported)[^.;]{0,40}\bmodel\b|no endpoints found for|deployment for this resource does not exist|模型(不存在|未找到|无效)`,
)

// tooFast matches rate limits.
var tooFast = alternatives(
	`rate[- _]?limit(s|ed|ing)?\b.{0,60}(reached|exceed|hit|violation|quota|triggered|error)|(exceed|reach|hit|over|trigger|apply)\w*\b.{0,60}rate[- _]?limit|^rate[- _]?limit(ed)?\b|rate[- _]limited`,
	`too many (concurrent |parallel |pending |queued )?(requests|connections|calls|sessions)|request(s)? (was |were |has been |have been |is |are )?throttled|throttl(ed|ing)\b|slow down|(请求|调用|访问).{0,6}(频繁|过快|超限|过多|频率)|限流|并发`,
	`(concurrency|concurrent (requests?|connections?)|qps|rpm|tpm|requests per (minute|second)|burst) ?(rate )?(limit|quota|request)?.{0,30}(exceed|reached|limit)`,
)

// overloaded matches a server that cannot answer now.
var overloaded = alternatives(
	`overload(ed)?\b|(at|over|no|out of|insufficient|exceeded) capacity|capacity (exceeded|constraints)|temporarily (unavailable|overloaded|unable)|(server|service|system|model|cluster|engine|upstream|backend)s? .{0,30}(is |are )?(currently |too |very )?(busy|unavailable|down|unreachable|not responding)`, `high (demand|load|traffic)|try again (later|in a)|no healthy (upstream|deployment|backend)|no (available|healthy) .{0,30}(server|instance|worker|deployment|channel|backend|provider)s?|无可用渠道|(繁忙|稍后(再试|重试)|负载)`,
	`upstream (connect|request|server|service)? ?(error|timeout|timed out|disconnect)|bad gateway|gateway time-?out|connection (refused|reset|aborted|closed|error)|timed out\b|(request|connection|upstream|gateway|read|connect|operation|server) time-?out\b|worker .{0,30}(gone|died|dead|lost)|internal (server )?error`,
)
