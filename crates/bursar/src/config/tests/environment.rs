//! Variables over the file.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use super::{BEINGFI, YZT, faults, right};
use bursar_gateways::GatewayBlock;

use crate::config::{Config, ConfigError};

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_default() {
    let text = "[worker]\nconcurrency = 8\nlease = \"10s\"\n";
    let config = right(text, &[("BURSAR_WORKER__CONCURRENCY", "16")]);
    assert_eq!(config.worker.concurrency, 16);
    assert_eq!(config.worker.lease, Duration::from_secs(10));
    assert_eq!(config.worker.drain, Duration::from_secs(40));
}

#[test]
fn an_app_id_of_27_digits_stays_text() {
    let config = right(YZT, &[("BURSAR_ACCOUNTS__MAIN__APP_ID", "202404221232028501746384897")]);
    let GatewayBlock::Yzt(yzt) = &config.accounts[&"main".parse().unwrap()].gateway else { panic!("{config:?}") };
    assert_eq!(yzt.app_id, "202404221232028501746384897");
}

#[test]
fn lists_are_separated_by_commas_and_empty_for_none() {
    let variables = [
        ("BURSAR_ACCOUNTS__MAIN__POLL", "5s, 10s"),
        ("BURSAR_ACCOUNTS__MAIN__FINAL_SUB_CODES", ""),
        ("BURSAR_ACCOUNTS__MAIN__REQUIRE_RESPONSE_SIGN", "false"),
        ("BURSAR_ACCOUNTS__MAIN__RATE_PER_SECOND", "0.5"),
        ("BURSAR_ACCOUNTS__MAIN__MAX_AMOUNT", "5000"),
        ("BURSAR_ACCOUNTS__MAIN__FAIR_WEIGHTS", "amy99a=3, amy99b = 0.5"),
    ];
    let account = &right(YZT, &variables).accounts[&"main".parse().unwrap()];
    assert_eq!(account.policy.poll, [5, 10].map(Duration::from_secs));
    assert_eq!(account.keys.rate_per_second.to_string(), "0.5");
    let weights: Vec<String> =
        account.fair_order.weights.iter().map(|(group, weight)| format!("{group} {weight}")).collect();
    assert_eq!(weights, ["amy99a 3", "amy99b 0.5"]);
    assert_eq!(account.rules().max_amount.map(bursar_domain::Fen::get), Some(5000));
}

#[test]
fn an_account_can_stand_in_the_environment_alone() {
    let variables = [
        ("BURSAR_ACCOUNTS__SHOP_2__GATEWAY", "beingfi"),
        ("BURSAR_ACCOUNTS__SHOP_2__BASE_URL", "https://beingfi.example.com"),
        ("BURSAR_ACCOUNTS__SHOP_2__MCH_NO", "M1"),
        ("BURSAR_ACCOUNTS__SHOP_2__APP_ID", "1"),
        ("BURSAR_ACCOUNTS__SHOP_2__SECRET_FILE", "/run/secrets/beingfi"),
    ];
    let queues: Vec<String> = right("", &variables).queues().iter().map(ToString::to_string).collect();
    assert_eq!(queues, ["shop_2/split"]);
}

#[test]
fn an_account_s_name_is_found_whatever_its_case_and_hyphens() {
    let text = BEINGFI.replace("accounts.shop", "accounts.Shop-East");
    let config = right(&text, &[("BURSAR_ACCOUNTS__SHOP_EAST__MCH_NO", "M2")]);
    let GatewayBlock::Beingfi(beingfi) = &config.accounts[&"Shop-East".parse().unwrap()].gateway else {
        panic!("{config:?}");
    };
    assert_eq!(beingfi.mch_no, "M2");
    let two = format!("{text}{}", BEINGFI.replace("accounts.shop", "accounts.shop_east"));
    assert_eq!(
        faults(&two, &[("BURSAR_ACCOUNTS__SHOP_EAST__MCH_NO", "M2")]),
        ["environment variable BURSAR_ACCOUNTS__SHOP_EAST__MCH_NO: \
          could mean account Shop-East and account shop_east: set it in the file"]
    );
}

#[test]
fn redis_url_alone_counts_when_nothing_else_says_where_redis_is() {
    let plain = ("REDIS_URL", "redis://plain:1/0");
    let ours = ("BURSAR_REDIS__URL", "redis://ours:1/0");
    let file = "[redis]\nurl = \"redis://file:1/0\"\n";
    for (text, variables, expected) in [
        ("", vec![plain], "redis://plain:1/0"),
        ("", vec![plain, ours], "redis://ours:1/0"),
        (file, vec![plain], "redis://file:1/0"),
        (file, vec![plain, ours], "redis://ours:1/0"),
        ("", vec![("REDIS_URL", "")], "redis://127.0.0.1:6379/0"),
    ] {
        assert_eq!(right(text, &variables).redis.url.expose(), expected);
    }
    assert_eq!(
        faults("", &[("REDIS_URL", "localhost")]),
        [
            "environment variable REDIS_URL: redis.url must be a Redis URL: redis://, rediss://, redis+unix:// or redis+sentinel://"
        ]
    );
}

#[test]
fn a_variable_without_a_double_underscore_is_ignored() {
    let variables = [("BURSAR_CONFIG", "x"), ("BURSAR_REDIS_BIN", "x"), ("BURSAR_TEST_REDIS", "x"), ("OTHER__X", "1")];
    assert_eq!(right("", &variables), right("", &[]));
}

#[test]
fn a_variable_that_names_no_key_is_an_error() {
    for (variable, fault) in [
        ("BURSAR_X__Y", "x is not a known section"),
        ("BURSAR_REDIS__", "redis. is not a known key"),
        ("BURSAR_REDIS__URL__HOST", "redis.url__host is not a known key"),
        ("BURSAR_WORKER__CONCURENCY", "worker.concurency is not a known key; did you mean concurrency?"),
        ("BURSAR_ACCOUNTS__MAIN", "accounts.main must be a section"),
        ("BURSAR_ACCOUNTS__MAIN__APPID", "accounts.main.appid is not a known key; did you mean app_id?"),
    ] {
        let file = if variable == "BURSAR_ACCOUNTS__MAIN" { "" } else { YZT };
        assert_eq!(faults(file, &[(variable, "1")]), [format!("environment variable {variable}: {fault}")]);
    }
}

#[test]
fn a_wrong_value_is_reported_by_its_variable_and_never_shown() {
    let faults = faults(YZT, &[("BURSAR_ACCOUNTS__MAIN__RESEND_AFTER", "hunter2"), ("BURSAR_WORKER__CONCURRENCY", "")]);
    assert_eq!(
        faults,
        [
            "environment variable BURSAR_WORKER__CONCURRENCY: worker.concurrency must be a whole number from 1 to 4096",
            "environment variable BURSAR_ACCOUNTS__MAIN__RESEND_AFTER: \
             accounts.main.resend_after must be a duration from \"1ms\" to \"1d\"",
        ]
    );
}

#[test]
fn a_value_that_is_not_utf_8_is_reported_by_its_variable() {
    let variables = [(OsString::from("BURSAR_REDIS__URL"), OsString::from_vec(vec![0xff]))];
    let result = Config::parse("", Path::new(""), variables.into_iter());
    let Err(ConfigError::Invalid(faults)) = result else { panic!("{result:?}") };
    assert_eq!(faults[0].to_string(), "environment variable BURSAR_REDIS__URL: must be UTF-8");
}

#[test]
fn paths_are_relative_to_the_file_or_the_current_folder() {
    let config = right(YZT, &[("BURSAR_ACCOUNTS__MAIN__PRIVATE_KEY_FILE", "keys/app.pem")]);
    let GatewayBlock::Yzt(yzt) = &config.accounts[&"main".parse().unwrap()].gateway else { panic!("{config:?}") };
    assert_eq!(yzt.private_key_file, Path::new("keys/app.pem"));
    assert_eq!(yzt.response_sign.key().unwrap(), Path::new("/etc/bursar/platform.pub.pem"));
    assert_eq!(config.server.tokens_file, Path::new("/etc/bursar/tokens.toml"));
    let absolute = right("[server]\ntokens_file = \"/run/tokens.toml\"\n", &[]);
    assert_eq!(absolute.server.tokens_file, Path::new("/run/tokens.toml"));
}
