//! Accounts and orders on the pages' own examples.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::Kind;
use bursar_gateways::{
    Beingfi, BeingfiSettings, ContentType, GatewayRequest, QueryKey, RefusalTexts, ResponseSign, Secret, SplitMethods,
    SubCodes, Transport, UnsignedErrors, UploadMethod, Yzt, YztSettings,
};

use super::sign::{SECRET, key};

pub(crate) const KEY: &str = "1001XP2025010110000001";
pub(crate) const TRADE_NO: &str = "2025062413293980461";
pub(crate) const TOKEN: &str = "01c9a4191bfd4609d26";

pub(crate) fn transport(url: &str) -> Transport {
    Transport {
        connect_timeout: Duration::from_secs(2),
        call_timeout: Duration::from_secs(10),
        ..Transport::new(url, ContentType::Form)
    }
}

pub(crate) fn yzt_settings(url: &str) -> YztSettings {
    YztSettings {
        transport: transport(url),
        app_id: "202404221232028501746384896".into(),
        app_auth_token: None,
        private_key: Secret::new(key("app_private_pkcs8")),
        response_sign: ResponseSign::Required(key("platform_public_spki")),
        unsigned_errors: UnsignedErrors::default(),
        query_key: QueryKey::TradeNo,
        upload_method: UploadMethod::FundsBillUpload,
        split: Some(SplitMethods { apply: "bkfunds.split.apply".into(), query: None }),
        sub_codes: SubCodes::default(),
    }
}

pub(crate) fn yzt(url: &str) -> Yzt {
    Yzt::new(yzt_settings(url)).unwrap()
}

pub(crate) fn beingfi_settings(url: &str) -> BeingfiSettings {
    BeingfiSettings {
        transport: transport(url),
        mch_no: "M1623997351".into(),
        app_id: "60cc3ba74ee0e6685f57eb1e".into(),
        secret: Secret::new(SECRET.into()),
        channel: None,
        split_query_path: None,
        texts: RefusalTexts::default(),
    }
}

pub(crate) fn beingfi(url: &str) -> Beingfi {
    Beingfi::new(beingfi_settings(url)).unwrap()
}

pub(crate) const TRANSFER: &str = r#"{"node_id":"00061967","platform_no":"1001XP2025010110000001","total_amount":10,"payer_store_no":"amy99a","payer_type":"1","payee_store_no":"amy99b","payee_type":"2","arrive_time":"T0"}"#;
pub(crate) const BILL: &str = r#"{"trade_type":"1","node_id":"100001","order_amount":199,"order_id":"100010001","order_time":"20240301131800","store_id":"20008221","goods_detail":"[{\"goods_id\":\"apple-01\",\"goods_name\":\"特价手机\",\"quantity\":1,\"price\":200000,\"real_price\":199999}]"}"#;
pub(crate) const SPLIT: &str = r#"{"payOrderId":"P202108271011463510002","useSysAutoDivisionReceivers":0,"receivers":"[{\"receiverId\":\"800029\",\"divisionProfit\":\"0.0001\"}]"}"#;

pub(crate) fn order(kind: Kind, content: &str) -> GatewayRequest {
    GatewayRequest {
        kind,
        key: KEY.into(),
        content: Arc::from(content),
        trade_nos: Vec::new(),
        sent_before: false,
        send_by: None,
    }
}

pub(crate) fn transfer() -> GatewayRequest {
    order(Kind::Transfer, TRANSFER)
}

/// A transfer that the gateway has named these numbers for, newest last.
pub(crate) fn numbered(trade_nos: &[&str]) -> GatewayRequest {
    GatewayRequest { trade_nos: trade_nos.iter().map(ToString::to_string).collect(), sent_before: true, ..transfer() }
}

pub(crate) fn bill() -> GatewayRequest {
    order(Kind::BillUpload, BILL)
}

pub(crate) fn split() -> GatewayRequest {
    order(Kind::Split, SPLIT)
}

pub(crate) const WITHDRAWAL: &str = r#"{"sso_node_id":"00061967","merchant_id":1000000001116,"account_sub_type":"0","total_amount":110,"card_type":"0","remark":"111"}"#;

pub(crate) fn withdrawal() -> GatewayRequest {
    order(Kind::Withdrawal, WITHDRAWAL)
}

/// The same order after a send that may have been heard.
pub(crate) fn again(order: GatewayRequest) -> GatewayRequest {
    GatewayRequest { sent_before: true, ..order }
}
