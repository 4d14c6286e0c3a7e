//! Each rule, and the message when it is broken.

use super::{BEINGFI, YZT, faults, parse, right};

/// A value that a key takes, values that it refuses, and the rule in the message.
const TABLE: &[(&str, &str, &[&str], &str)] = &[
    ("redis.url", "'rediss://:p@h:1/2'", &["''"], "must not be empty"),
    ("redis.url", "'redis+unix:///r.sock'", &["'h:6379'", "'http://h'"], "must be a Redis URL"),
    (
        "redis.url",
        "'rediss+sentinel://u:p@s1:26379,s2/payments/1'",
        &["'redis+sentinel://s1:26379'", "'redis+sentinel://s1/payments/x'"],
        "must be redis+sentinel://[user:pass@]host1:port1,host2:port2/name[/db]",
    ),
    ("redis.ca_file", "'ca.pem'", &["''", "1"], "must"),
    ("redis.prefix", "'pay-1'", &["'a{b'", "'a b'"], "must be 1 to 64 letters"),
    ("redis.expect", "'existing'", &["'empty'", "true", "1"], "must be \"any\" or \"existing\""),
    ("redis.preflight", "'warn'", &["'no'", "true", "1"], "must be \"refuse\" or \"warn\""),
    ("redis.durability", "'local'", &["'safe'", "2"], "must be \"fast\" or \"local\""),
    ("redis.partitions", "1024", &["0", "1025", "'32'"], "must be a whole number from 1 to 1024"),
    ("redis.replicas", "2", &["0", "17", "'1'"], "must be a whole number from 1 to 16"),
    ("redis.retention", "'7d'", &["'1m'", "7"], "must be a duration from \"1h\" to \"3650d\""),
    ("worker.concurrency", "4096", &["0", "4097", "-1", "1.5", "'8'"], "must be a whole number from 1 to 4096"),
    ("worker.lease", "'5m'", &["30", "'999ms'", "'2h'", "'soon'"], "must be a duration from \"1s\" to \"1h\""),
    ("worker.drain", "'0s'", &["'-1s'", "0"], "must be a duration from \"0ms\" to \"1h\""),
    ("journal.dir", "'/j'", &["''", "1"], "must"),
    ("journal.file_mb", "1", &["0", "4097", "'64'"], "must be a whole number from 1 to 4096"),
    ("journal.files", "1", &["0", "10001"], "must be a whole number from 1 to 10000"),
    ("journal.keep", "'1d'", &["'23h'", "'3651d'", "7"], "must be a duration from \"1d\" to \"3650d\""),
    ("server.listen", "'[::1]:0'", &["'localhost:1'", "'8080'", "'127.0.0.1:99999'"], "must be IP:PORT"),
    ("server.tokens_file", "'t'", &["''"], "must not be empty"),
    ("server.approvals", "2", &["0", "3", "'2'"], "must be a whole number from 1 to 2"),
    ("server.approvals_above", "100000", &["-1", "0.5", "'1'"], "must be a whole number from 0 to 1000000000000"),
    ("server.approvals_for", "['send', 'resolve']", &["'send'", "['pay']", "['send', 'send']"], "must be a list of"),
    ("server.approvals_for", "['quarantine_drop', 'resume_lost_writes']", &["[]"], "must not be empty"),
    ("server.approvals_within", "'10m'", &["'59s'", "'8d'", "60"], "must be a duration from \"1m\" to \"7d\""),
    ("server.session_key_file", "'key'", &["''"], "must not be empty"),
    ("server.session_idle", "'1d'", &["'59s'", "'25h'", "30"], "must be a duration from \"1m\" to \"1d\""),
    ("server.session_lifetime", "'7d'", &["'59s'", "'8d'", "12"], "must be a duration from \"1m\" to \"7d\""),
    ("webhooks.allow_unsigned", "true", &["'true'", "1"], "must be true or false"),
    (
        "webhooks.allow",
        "['10.20.0.0/16', '10.20.0.0/16:8443', '[fd00::/8]:443', '127.0.0.1:*', '::1']",
        &["['shop.example']", "['10.20.0.0/16:0']", "['fd00::/8:443']", "['10.20.0.0/33']"],
        "entry 1: must be a network with or without a port",
    ),
    ("webhooks.ca_only", "false", &["'false'"], "must be true or false"),
    ("webhooks.ca_only", "false", &["true"], "has no meaning without ca_file"),
    ("log.format", "'json'", &["'xml'"], "must be \"text\" or \"json\""),
    ("log.level", "'debug'", &["'loud'"], "must be \"error\" or \"warn\" or"),
    ("accounts.main.app_id", "'1'", &["1", "202404221232028501746384896"], "must be a text: write it in quotes"),
    ("accounts.main.app_id", "'1'", &["' 1'", "\"1\\n\""], "must hold no control characters and no white space"),
    ("accounts.main.private_key_file", "'/k'", &["true", "[]"], "must be a text"),
    ("accounts.main.base_url", "'http://127.0.0.1:1/'", &["'h'", "'ftp://h'"], "must be an http or https URL"),
    ("accounts.main.base_url", "'http://[::1]:1'", &["'http://h'"], "must be https unless it is on this machine"),
    (
        "accounts.main.base_url",
        "'http://localhost'",
        &["'https://u:p@h'", "'https://h?a'", "'https://h#a'"],
        "must hold no user",
    ),
    ("accounts.main.allow_http", "true", &["'true'", "1"], "must be true or false"),
    ("accounts.main.allow_readable_keys", "true", &["'true'", "1"], "must be true or false"),
    ("accounts.main.ca_only", "false", &["true"], "has no meaning without ca_file"),
    ("accounts.shop.ca_only", "false", &["true"], "has no meaning without ca_file"),
    ("accounts.main.content_type", "'json'", &["'xml'"], "must be \"form\" or \"json\""),
    ("accounts.main.http_429_not_executed", "true", &["'yes'"], "must be true or false"),
    ("accounts.main.connect_timeout", "'1s'", &["'0s'", "'2m'"], "must be a duration from \"1ms\" to \"1m\""),
    ("accounts.main.call_timeout", "'2s'", &["'0s'", "'1h'"], "must be a duration from \"1ms\" to \"10m\""),
    ("accounts.main.keep_alive", "'0s'", &["-1", "0", "'2m'"], "must be a duration from \"0ms\" to \"1m\""),
    ("accounts.main.rate_per_second", "0", &["-1", "10001", "nan", "inf", "'10'"], "must be a number from 0 to 10000"),
    ("accounts.main.fair_by", "'node_id'", &["''", "true"], "must"),
    ("accounts.main.fair_weights", "{ a = 0.5, b = 3 }", &["3", "'a=1'", "[]"], "must be a table, for example {"),
    ("accounts.main.on_ambiguous", "'hold'", &["'retry'"], "must be \"resend\" or \"hold\""),
    ("accounts.main.resend_after", "'2s'", &["'0s'", "60", "'2d'"], "must be a duration from \"1ms\" to \"1d\""),
    ("accounts.main.resend_max", "0", &["11", "-1", "1.0"], "must be a whole number from 0 to 10"),
    ("accounts.main.poll", "['1s']", &["'1s'", "1"], "must be a list of durations"),
    ("accounts.main.poll", "['1s', '1d']", &["['1s', '0s']"], "entry 2: must be a duration from"),
    ("accounts.main.poll", "['1ms']", &["[]"], "must not be empty"),
    ("accounts.main.poll_deadline", "'90d'", &["'0s'", "'91d'"], "must be a duration from \"1ms\" to \"90d\""),
    ("accounts.main.poll_deadline_t1", "'72h'", &["72"], "must be a duration from"),
    ("accounts.main.retry_initial", "'1s'", &["'2h'"], "must be a duration from \"1ms\" to \"1h\""),
    ("accounts.main.retry_max", "'1m'", &["'2d'"], "must be a duration from \"1ms\" to \"1d\""),
    ("accounts.shop.not_ready_wait", "'1m'", &["'0s'", "60", "'2d'"], "must be a duration from \"1ms\" to \"1d\""),
    ("accounts.shop.channel", "'alipay'", &["'bank'"], "must be \"wxpay\" or \"alipay\""),
    (
        "accounts.shop.split_query_path",
        "'/api/division/query'",
        &["'query'", "'/'", "'/a?b'", "'/a b'"],
        "must be a path",
    ),
    ("accounts.shop.final_texts", "['订单已关闭']", &["['关闭']"], "entry 1: must be at least 4 characters long"),
    ("accounts.shop.not_ready_texts", "[]", &["'未到账'"], "must be a list of texts"),
    ("accounts.main.retry_deadline", "'1h'", &["'0s'"], "must be a duration from"),
    ("reload.every", "'30s'", &["'2h'", "30"], "must be a duration from \"0ms\" to \"1h\""),
    (
        "accounts.main.max_amount",
        "1",
        &["0", "-1", "1.5", "'100'", "9223372036854775808"],
        "must be a positive whole number of fen",
    ),
    ("accounts.main.party_types", "['0', '1', '2']", &["[]", "['10']", "['x']", "['1', '']"], ""),
    (
        "accounts.main.additional_kinds",
        "['withdrawal']",
        &["['split']", "['withdrawal', 'withdrawal']", "['payout']"],
        "must be a list of additional kinds, each once; there are: withdrawal",
    ),
    (
        "accounts.main.app_id",
        "'1'",
        &["'1\u{200b}'"],
        "must hold no invisible or direction-changing characters, and holds U+200B",
    ),
    ("accounts.main.balance_every", "'1h'", &["'0s'", "'2h'", "60"], "must be a duration from \"1s\" to \"1h\""),
    ("accounts.main.environment", "'production'", &["'a b'", "'a/b'"], "must be 1 to 64 letters, digits, - _ . or :"),
    ("accounts.main.unsigned_errors", "'doubt'", &["'maybe'", "true"], "must be \"doubt\" or \"believe\""),
    ("accounts.main.confirm", "'always'", &["'ever'", "true"], "must be \"failures\" or \"always\" or \"never\""),
    ("accounts.main.query_key", "'both'", &["'key'"], "must be \"trade_no\" or \"platform_no\" or \"both\""),
    ("accounts.main.upload_method", "'bkfunds.order.upload'", &["'upload'"], "must be \"funds.bill.upload\" or"),
    ("accounts.main.split_method", "'bkfunds.split.apply'", &["1"], "must be a text"),
    ("accounts.main.final_sub_codes", "['isv.name-error']", &["'isv.name-error'"], "must be a list of texts"),
    ("accounts.main.unseen_sub_codes", "[]", &["['']"], "entry 1: must not be empty"),
];

/// The account of `key`'s gateway, with `key` set to `value`.
fn with(key: &str, value: &str) -> String {
    let (section, name) = key.rsplit_once('.').unwrap();
    let account = if section == "accounts.shop" { BEINGFI } else { YZT };
    let base: String = account
        .lines()
        .filter(|line| !line.starts_with(&format!("{name} =")))
        .map(|line| format!("{line}\n"))
        .collect();
    match section {
        "accounts.main" | "accounts.shop" => format!("{base}{name} = {value}\n"),
        _ => format!("{base}[{section}]\n{name} = {value}\n"),
    }
}

#[test]
fn every_key_takes_what_its_rule_says_and_nothing_else() {
    for (key, taken, refused, rule) in TABLE {
        right(&with(key, taken), &[]);
        for value in *refused {
            let faults = faults(&with(key, value), &[]);
            assert!(faults.len() == 1 && faults[0].contains(&format!(": {key} {rule}")), "{key} = {value}: {faults:?}");
            assert!(faults[0].starts_with("/etc/bursar/bursar.toml:"), "{faults:?}");
        }
    }
}

#[test]
fn a_group_s_weight_is_a_number_that_leaves_others_their_turns() {
    for wrong in ["0", "-1", "inf", "nan", "1001", "'3'", "{ x = 1 }"] {
        let faults = faults(&format!("{YZT}fair_weights = {{ amy99a = 2, amy99b = {wrong} }}\n"), &[]);
        assert!(
            faults.len() == 1 && faults[0].contains(": accounts.main.fair_weights.amy99b must be a "),
            "{faults:?}"
        );
    }
    let long = format!("{YZT}fair_weights = {{ {} = 2 }}\n", "x".repeat(65));
    let nothing = format!("{YZT}fair_by = 'none'\nfair_weights = {{ a = 2 }}\n");
    let many: String = (0..101).map(|number| format!("m{number} = 2\n")).collect();
    let many = format!("{YZT}[accounts.main.fair_weights]\n{many}");
    for (text, rule) in [(long, "at most 64 characters"), (nothing, "has no meaning"), (many, "at most 100 groups")] {
        let faults = faults(&text, &[]);
        assert!(faults.len() == 1 && faults[0].contains(rule), "{faults:?}");
    }
}

#[test]
fn all_errors_are_reported_in_the_order_of_the_file() {
    let text = "[redis]\nprefx = 'a'\n[worker]\nconcurrency = 0\n[accounts.main]\ngateway = 'yzt'\n[log]\nlevel = 1\n";
    let wrong = faults(text, &[("BURSAR_LOG__FORMAT", "xml")]);
    let places: Vec<&str> = wrong.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    let file = |line| format!("/etc/bursar/bursar.toml:{line}");
    let expected = [file(2), file(4), file(5), file(5), file(5), file(5), file(8)];
    assert_eq!(places[..7], expected, "{wrong:#?}");
    assert_eq!(places[7..], ["environment variable BURSAR_LOG__FORMAT"]);
}

#[test]
fn an_unknown_key_is_an_error_that_names_key_and_file() {
    for (text, fault) in [
        ("[redis]\nurll = 'x'\n", "2: redis.urll is not a known key; did you mean url?"),
        ("[redis.more]\nx = 1\n", "1: redis.more is not a known section"),
        ("[reddis]\nurl = 'x'\n", "1: reddis is not a known section"),
        ("url = 'x'\n", "1: url is not a known key"),
        ("redis = 'x'\n", "1: redis must be a section"),
        ("[redis.url]\nx = 1\n", "1: redis.url must be a value, not a section"),
        ("[accounts]\nmain = 1\n", "2: accounts.main must be a section"),
    ] {
        assert_eq!(faults(text, &[]), [format!("/etc/bursar/bursar.toml:{fault}")]);
    }
    let mistyped = format!("{YZT}on_ambigous = 'hold'\n");
    assert_eq!(
        faults(&mistyped, &[]),
        ["/etc/bursar/bursar.toml:8: accounts.main.on_ambigous is not a known key; did you mean on_ambiguous?"]
    );
}

#[test]
fn a_file_that_is_not_toml_is_reported_by_its_lines() {
    let faults = faults("url = redis://h\nprefix =\n", &[]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("/etc/bursar/bursar.toml:1: is not TOML: "), "{faults:?}");
    assert!(faults[1].starts_with("/etc/bursar/bursar.toml:2: is not TOML: "), "{faults:?}");
    assert!(parse("[redis]\nprefix = 'a'\nprefix = 'b'\n", &[]).is_err());
}

#[test]
fn each_gateway_requires_its_own_keys() {
    for (account, required) in [
        (YZT, ["base_url", "app_id", "private_key_file", "platform_public_key_file"].as_slice()),
        (BEINGFI, ["base_url", "mch_no", "app_id", "secret_file"].as_slice()),
    ] {
        for key in required {
            let text: String =
                account.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect();
            let faults = faults(&text, &[]);
            assert!(faults.len() == 1 && faults[0].ends_with(&format!(".{key} is required")), "{faults:?}");
        }
    }
    let no_gateway = faults(&YZT.replace("gateway = \"yzt\"", ""), &[]);
    assert_eq!(no_gateway, ["/etc/bursar/bursar.toml:2: accounts.main.gateway is required"]);
    let unknown = faults(&YZT.replace("\"yzt\"", "\"alipay\""), &[]);
    assert_eq!(unknown, ["/etc/bursar/bursar.toml:3: accounts.main.gateway must be \"yzt\" or \"beingfi\""]);
}

#[test]
fn a_platform_key_is_not_required_where_answers_are_not_signed() {
    let unsigned = YZT.replace("platform_public_key_file = \"platform.pub.pem\"", "require_response_sign = false");
    assert_eq!(right(&unsigned, &[]).advice().len(), 1);
    assert_eq!(right(&format!("{YZT}require_response_sign = false\n"), &[]).advice().len(), 1);
}

#[test]
fn a_key_of_the_other_gateway_is_an_error_that_says_so() {
    assert_eq!(
        faults(&format!("{YZT}mch_no = '1'\n"), &[]),
        [
            "/etc/bursar/bursar.toml:8: accounts.main.mch_no is a key of gateway beingfi, and this account's gateway is yzt"
        ]
    );
    for key in [
        "private_key_file",
        "unsigned_errors",
        "confirm",
        "query_key",
        "final_sub_codes",
        "max_amount",
        "poll_deadline_t1",
    ] {
        let faults = faults(&format!("{BEINGFI}{key} = 'x'\n"), &[]);
        let expected = format!("accounts.shop.{key} is a key of gateway yzt, and this account's gateway is beingfi");
        assert!(faults.len() == 1 && faults[0].ends_with(&expected), "{faults:?}");
    }
}

#[test]
fn an_account_that_holds_believes_no_unsigned_error() {
    let with = |policy: &str| format!("{YZT}on_ambiguous = '{policy}'\nunsigned_errors = 'believe'\n");
    right(&with("resend"), &[]);
    let faults = faults(&with("hold"), &[]);
    let rule = "must be \"doubt\" where on_ambiguous is \"hold\": what is believed is sent again";
    assert!(faults.len() == 1 && faults[0].ends_with(&format!("accounts.main.unsigned_errors {rule}")), "{faults:?}");
}

#[test]
fn a_split_s_query_has_no_meaning_without_the_split() {
    let faults = faults(&format!("{YZT}split_query_method = 'x'\n"), &[]);
    assert!(faults[0].ends_with("accounts.main.split_query_method has no meaning without split_method"), "{faults:?}");
}

#[test]
fn an_account_is_named_by_the_domain_s_rule() {
    let faults = faults(&YZT.replace("accounts.main", "accounts.\"a b\""), &[]);
    assert_eq!(
        faults,
        [
            "/etc/bursar/bursar.toml:2: accounts.a b is no name for an account: it must be 1 to 32 letters, digits, - or _"
        ]
    );
}

#[test]
fn plain_http_to_another_machine_needs_consent_and_is_warned_of() {
    let text = YZT.replace("https://yzt.example.com", "http://yzt.example.com");
    assert!(parse(&text, &[]).is_err());
    let advice = right(&text, &[("BURSAR_ACCOUNTS__MAIN__ALLOW_HTTP", "true")]).advice();
    assert_eq!(advice.len(), 1, "{advice:?}");
    assert_eq!(advice[0].key, "accounts.main.base_url");
}

#[test]
fn an_authority_for_a_redis_without_tls_is_advised_against() {
    for (url, count) in [
        ("redis://h", 1),
        ("redis+unix:///r.sock", 1),
        ("rediss://h", 0),
        ("valkeys://h", 0),
        ("rediss+sentinel://h/n", 0),
    ] {
        let advice = right(&format!("[redis]\nurl = '{url}'\nca_file = 'ca.pem'\n"), &[]).advice();
        assert_eq!(advice.len(), count, "{url}: {advice:?}");
        assert!(advice.iter().all(|advice| advice.key == "redis.ca_file"), "{advice:?}");
    }
}

#[test]
fn metrics_where_others_than_monitoring_reach_are_warned_of() {
    for (text, count) in [
        ("", 0),
        ("server.listen = '0.0.0.0:8080'", 1),
        ("server.listen = '[::1]:8080'", 0),
        ("server.listen = '0.0.0.0:8080'\nserver.admin_listen = '10.0.0.1:9101'", 0),
        ("server.listen = '0.0.0.0:8080'\nserver.admin_listen = '0.0.0.0:8080'", 1),
        ("server.listen = '127.0.0.1:8080'\nserver.admin_listen = '127.0.0.1:8080'", 0),
    ] {
        let advice = right(text, &[]).advice();
        assert_eq!(advice.len(), count, "{text}: {advice:?}");
        assert!(advice.iter().all(|advice| advice.key == "server.admin_listen"), "{advice:?}");
    }
}

#[test]
fn what_is_believed_without_proof_is_advised_against() {
    for (line, key) in [
        ("unsigned_errors = 'believe'", "unsigned_errors"),
        ("confirm = 'never'", "confirm"),
        ("require_response_sign = false", "require_response_sign"),
    ] {
        let config = right(&format!("{YZT}on_ambiguous = 'resend'\n{line}\n"), &[]);
        let keys: Vec<String> = config.advice().into_iter().map(|advice| advice.key).collect();
        assert_eq!(keys, [format!("accounts.main.{key}")], "{line}");
    }
    assert_eq!(right(&format!("{YZT}confirm = 'always'\n"), &[]).advice(), []);
}

#[test]
fn waits_that_do_not_fit_together_are_advised_against() {
    let text = format!("{YZT}resend_after = '10s'\nretry_initial = '10m'\n");
    let keys: Vec<String> = right(&text, &[]).advice().into_iter().map(|advice| advice.key).collect();
    assert_eq!(keys, ["accounts.main.resend_after", "accounts.main.retry_initial"]);
    assert_eq!(right(YZT, &[]).advice(), []);
    // A send begins within a third of the lease: 30 s of a call and 20 s are more than 45 s, and 15 s are not.
    for (lease, count) in [("60s", 1), ("45s", 0)] {
        let text = format!("[worker]\nlease = '{lease}'\n{YZT}resend_after = '45s'\n");
        assert_eq!(right(&text, &[]).advice().len(), count, "{lease}");
    }
}

#[test]
fn an_account_has_its_queues_and_its_rules() {
    let config = right(&format!("{YZT}split_method = 'bkfunds.split.apply'\nmax_amount = 7\n{BEINGFI}"), &[]);
    let queues: Vec<String> = config.queues().iter().map(ToString::to_string).collect();
    assert_eq!(queues, ["main/bill_upload", "main/transfer", "main/split", "shop/split"]);
    let rules = config.accounts[&"main".parse().unwrap()].rules();
    assert_eq!((rules.generic_split, rules.max_amount), (true, bursar_domain::Fen::new(7)));
}

#[test]
fn balance_keys_have_rules_and_need_the_interval() {
    let of = |lines: &str| format!("{YZT}balance_every = '5m'\n{lines}");
    right(&of("balance_sub_types = ['paying']\nbalance_merchant_id = 1000000000926\nbalance_low = 1\n"), &[]);
    for (key, refused, rule) in [
        (
            "balance_sub_types",
            &["[]", "['0']", "'paying'", "['paying', 'paying']"][..],
            "must be a list of \"collecting\"",
        ),
        ("balance_merchant_id", &["0", "-1", "'1'", "1.5"], "must be a positive whole number"),
        ("balance_low", &["0", "'1'"], "must be a positive whole number of fen"),
        ("balance_node_id", &["61783", "''"], "must "),
    ] {
        for value in refused {
            let faults = faults(&of(&format!("{key} = {value}\n")), &[]);
            let expected = format!("accounts.main.{key} {rule}");
            assert!(faults.len() == 1 && faults[0].contains(&expected), "{key} = {value}: {faults:?}");
        }
    }
    let idle = faults(&format!("{YZT}balance_low = 1\n"), &[]);
    assert!(idle.len() == 1 && idle[0].ends_with("balance_low has no meaning without balance_every"), "{idle:?}");
    let elsewhere = faults(&format!("{BEINGFI}balance_every = '5m'\n"), &[]);
    assert!(elsewhere.len() == 1 && elsewhere[0].contains("is a key of gateway yzt"), "{elsewhere:?}");
}

#[test]
fn a_queue_is_bound_to_its_environment_or_else_its_address() {
    let identity = |lines: &str| {
        let text = YZT.replace("https://yzt.example.com", lines.split_once('|').unwrap().0);
        let config = right(&format!("{text}{}\n", lines.split_once('|').unwrap().1), &[]);
        config.accounts.values().next().unwrap().identity()
    };
    let address = identity("https://yzt.example.com|");
    assert_eq!(identity("https://YZT.example.com/|"), address, "spellings of one address are one");
    assert_ne!(identity("https://test.example.com|"), address);
    let named = identity("https://yzt.example.com|environment = 'production'");
    assert_eq!(identity("https://proxy.example.com|environment = 'production'"), named);
    assert_ne!(identity("https://yzt.example.com|environment = 'test'"), named);
}
