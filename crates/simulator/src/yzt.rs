//! YZT's side: `POST /` with the method among the parameters.

mod gate;
mod pages;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::books::{Name, Order, Outcome, Payment, Repeats, Scale};
use crate::clock;
use crate::fault::Trouble;
use crate::gateway::Gateway;
use crate::ledger::Kind;
use crate::life::Status;
use crate::options::{DuplicateUpload, UploadNode};
use crate::page;
use pages::QueryBy;

pub(crate) use gate::read;

/// The balance of every node's account before anything was executed, in fen.
const OPENING_BALANCE_FEN: i64 = 1_000_000_000_000;
const ACCEPTED: u32 = 10_000;
const ERROR_NODE: &str = "error_response";

/// A request that passed the gateway's checks.
#[derive(Debug)]
pub(crate) struct Request {
    method: Method,
    pub(crate) work: Work,
}

#[derive(Debug)]
pub(crate) enum Work {
    Order(Order),
    /// The payment it asks about; none by that number.
    Query(Option<Name>),
    Balance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    PayApply,
    PayQuery,
    SplitApply,
    SplitQuery,
    BalanceQuery,
    BillUpload,
    OrderUpload,
    WithdrawApply,
}

const METHODS: [Method; 8] = [
    Method::PayApply,
    Method::PayQuery,
    Method::SplitApply,
    Method::SplitQuery,
    Method::BalanceQuery,
    Method::BillUpload,
    Method::OrderUpload,
    Method::WithdrawApply,
];

impl Method {
    fn named(name: &str) -> Option<Self> {
        METHODS.into_iter().find(|method| method.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::PayApply => "bkfunds.balance.pay.apply",
            Self::PayQuery => "bkfunds.balance.pay.query",
            Self::SplitApply => "bkfunds.split.apply",
            Self::SplitQuery => "bkfunds.split.query",
            Self::BalanceQuery => "merchant.balanceQuery",
            Self::BillUpload => "funds.bill.upload",
            Self::OrderUpload => "bkfunds.order.upload",
            Self::WithdrawApply => "bkfunds.withdraw.apply",
        }
    }

    /// The answer's node: the method's name, but for the bill upload, whose page shows another.
    fn node(self, upload: UploadNode) -> String {
        let differs = self == Self::BillUpload && upload == UploadNode::Page;
        let named_after = if differs { Self::OrderUpload } else { self };
        format!("{}_response", named_after.name().replace('.', "_"))
    }

    /// The work that `biz_content` asks for.
    fn work(self, gateway: &Gateway, biz_content: &str) -> Result<Work, String> {
        let query_by = if gateway.options.query_by_key { QueryBy::TradeNoOrKey } else { QueryBy::TradeNo };
        let order = |kind, scale, key: String, content: &Map<String, Value>, amount: &str| {
            Work::Order(Order {
                name: Name { kind, key },
                scale,
                method: self.name(),
                bytes: biz_content.to_owned(),
                amount_fen: content.get(amount).and_then(Value::as_i64),
            })
        };
        Ok(match self {
            Self::PayApply => {
                let transfer = pages::transfer(biz_content)?;
                let key = page::text(&transfer, "platform_no").to_owned();
                order(Kind::Transfer, Scale::Letters, key, &transfer, "total_amount")
            }
            Self::SplitApply => {
                let split = pages::split(biz_content)?;
                let key = page::text(&split, "platform_no").to_owned();
                order(Kind::Split, Scale::Letters, key, &split, "total_amount")
            }
            Self::BillUpload | Self::OrderUpload => {
                let bill = pages::bill(biz_content)?;
                let key = format!("{}/{}", page::text(&bill, "order_id"), page::text(&bill, "trade_type"));
                order(Kind::BillUpload, Scale::Received, key, &bill, "order_amount")
            }
            Self::WithdrawApply => {
                let pages::Withdrawal { name, amount_fen } = pages::withdrawal(biz_content)?;
                Work::Order(Order {
                    name: Name { kind: Kind::Withdrawal, key: name },
                    scale: Scale::Letters,
                    method: self.name(),
                    bytes: biz_content.to_owned(),
                    amount_fen: Some(amount_fen),
                })
            }
            Self::PayQuery => queries(gateway, Kind::Transfer, &pages::query(biz_content, query_by)?),
            Self::SplitQuery => queries(gateway, Kind::Split, &pages::query(biz_content, query_by)?),
            Self::BalanceQuery => {
                pages::balance(biz_content)?;
                Work::Balance
            }
        })
    }
}

/// By its number if that is known, else by its key if one is given.
fn queries(gateway: &Gateway, kind: Kind, query: &Map<String, Value>) -> Work {
    let by_number = gateway.books.name_of(page::text(query, "trade_no"));
    let by_key = || Some(Name { kind, key: query.get("platform_no")?.as_str()?.to_owned() });
    Work::Query(by_number.or_else(by_key))
}

impl Request {
    /// Does what is asked for, and says so.
    pub(crate) fn perform(&self, gateway: &Gateway) -> Answer {
        match &self.work {
            Work::Order(order) => self.execute(order, gateway),
            Work::Query(name) => match name.as_ref().and_then(|name| gateway.books.payment(name)) {
                Some(payment) => self.accepted(gateway, &as_queried(&payment)),
                None => self.refused(gateway, "isv.trade-not-exist", "交易不存在"),
            },
            Work::Balance => {
                let available = OPENING_BALANCE_FEN.saturating_sub(gateway.books.executed_fen());
                let data = json!({
                    "available_balance": available, "frozen_balance": 0, "amount_retained": 0, "total_balance": available,
                });
                self.accepted(gateway, &data)
            }
        }
    }

    /// The gateway's own words for something that went wrong.
    pub(crate) fn trouble(&self, gateway: &Gateway, trouble: Trouble) -> Answer {
        let (code, sub_code, sub_msg) = match trouble {
            Trouble::Busy => ("20000", "isv.service-busy", "服务繁忙"),
            Trouble::InvalidTimestamp => ("40002", "isv.invalid-timestamp", "非法的时间戳参数"),
            Trouble::Unknown => ("20000", "isp.unknown-error", "服务不可用"),
            Trouble::Timeout => ("20000", "isp.gateway-response-timeout", "响应超时"),
            Trouble::Refused | Trouble::NotPaid => ("40004", "isv.name-error", "姓名错误"),
            Trouble::UnknownRefusal => ("40004", "isv.never-documented", "未知的业务错误"),
            Trouble::AccountDisabled => ("40006", "isv.insufficient-isv-permissions", "权限不足"),
        };
        refusal(gateway, &self.node(gateway), code, sub_code, sub_msg)
    }

    fn execute(&self, order: &Order, gateway: &Gateway) -> Answer {
        let has_key = self.method != Method::WithdrawApply;
        let repeats = if gateway.options.honours_keys && has_key { Repeats::Recognised } else { Repeats::Executed };
        match gateway.books.execute(order, repeats, gateway.life_of(&order.name.key)) {
            Outcome::Conflict => self.refused(gateway, "isv.common-error", "平台请求流水号重复"),
            Outcome::Repeated(_) if self.refuses_repeats(gateway) => {
                self.refused(gateway, "isv.common-error", "订单交易流水号重复")
            }
            Outcome::Executed(payment) | Outcome::Repeated(payment) => match order.scale {
                Scale::Received => self.received(gateway),
                // No page describes the answer; a client of the vendor's looks for this field in it.
                Scale::Letters if !has_key => self.accepted(gateway, &json!({ "trade_no": payment.trade_no })),
                Scale::Letters | Scale::DivisionState => self.accepted(gateway, &as_applied(&payment)),
            },
        }
    }

    fn refuses_repeats(&self, gateway: &Gateway) -> bool {
        let upload = matches!(self.method, Method::BillUpload | Method::OrderUpload);
        upload && gateway.options.duplicate_upload == DuplicateUpload::Refused
    }

    fn accepted(&self, gateway: &Gateway, data: &Value) -> Answer {
        let fields = json!({
            "request_id": gateway.request_id(), "code": ACCEPTED, "data": data, "success": true,
        });
        Answer::Yzt { node: self.node(gateway), fields }
    }

    /// The bill upload's answer has its code as a string and empty data, as its page shows.
    fn received(&self, gateway: &Gateway) -> Answer {
        let fields = json!({
            "request_id": gateway.request_id(), "code": ACCEPTED.to_string(), "msg": "success", "success": true, "data": "",
        });
        Answer::Yzt { node: self.node(gateway), fields }
    }

    fn refused(&self, gateway: &Gateway, sub_code: &str, sub_msg: &str) -> Answer {
        refusal(gateway, &self.node(gateway), "40004", sub_code, sub_msg)
    }

    fn node(&self, gateway: &Gateway) -> String {
        self.method.node(gateway.options.upload_node)
    }
}

fn refusal(gateway: &Gateway, node: &str, code: &str, sub_code: &str, sub_msg: &str) -> Answer {
    let msg = match code {
        "20000" => "Service Currently Unavailable",
        "40001" => "缺少必选参数",
        "40002" => "非法的参数",
        _ => "业务处理失败",
    };
    let fields = json!({
        "request_id": gateway.request_id(), "code": code, "msg": msg, "sub_code": sub_code, "sub_msg": sub_msg,
    });
    Answer::Yzt { node: node.to_owned(), fields }
}

fn as_applied(payment: &Payment) -> Value {
    match &payment.trade_no {
        Some(trade_no) => json!({ "trade_no": trade_no, "status": payment.status.letter() }),
        None => json!({ "status": payment.status.letter() }),
    }
}

/// The fields of the query's page; what the apply said is read back from its content.
fn as_queried(payment: &Payment) -> Value {
    let content: Map<String, Value> = serde_json::from_str(&payment.bytes).unwrap_or_default();
    let fen = content.get("total_amount").and_then(Value::as_i64).unwrap_or(0).to_string();
    let of = |name: &str| content.get(name).cloned().unwrap_or_else(|| json!(""));
    let (real_amount, finish_time) = match payment.status {
        Status::Succeeded | Status::Refunded => (fen.as_str(), clock::written(clock::now_ms())),
        Status::Failed => ("0", clock::written(clock::now_ms())),
        Status::Processing | Status::Waiting => ("0", String::new()),
    };
    let trade_type = match payment.status {
        Status::Refunded => "r",
        Status::Failed | Status::Succeeded | Status::Processing | Status::Waiting => "p",
    };
    let mut data = json!({
        "trade_time": clock::written(payment.executed_ms),
        "node_id": of("node_id"),
        "node_name": "模拟机构",
        "platform_no": payment.key,
        "ym_trade_no": payment.number,
        "total_amount": fen,
        "fee": "0",
        "trade_type": trade_type,
        "payer_merchant_id": of("payer_merchant_id"),
        "payer_store_no": of("payer_store_no"),
        "payer_type": of("payer_type"),
        "payee_merchant_id": of("payee_merchant_id"),
        "payee_store_no": of("payee_store_no"),
        "payee_type": of("payee_type"),
        "arrive_time": of("arrive_time"),
        "real_amount": real_amount,
        "status": payment.status.letter(),
        "status_desc": payment.status.description(),
        "finish_time": finish_time,
    });
    if let Some(trade_no) = &payment.trade_no {
        data["trade_no"] = json!(trade_no);
    }
    data
}
