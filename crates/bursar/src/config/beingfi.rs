//! The keys of an account at BeingFi Pay.

use std::path::PathBuf;
use std::time::Duration;

use bursar_domain::Policy;
use bursar_gateways::{BeingfiBlock, Channel, RefusalTexts};

use super::rules::{DAY, SHORTEST, duration, word};
use super::table::section;
use super::texts::{file, parts_of_messages, path, text};

section! {
    /// An account at BeingFi Pay.
    pub(crate) struct BeingfiKeys {
        /// # Credentials
        /// The merchant's number.
        mch_no: String = text(), required("M1621873433953");
        /// The app's id.
        app_id: String = text(), required("60cc09bce4b0f1c0b83761c9");
        /// The secret that signs requests.
        secret_file: PathBuf = file(), required("beingfi.secret");
        /// # Splits
        /// The wait before the next try to split an order that BeingFi says cannot be split: it may not be paid yet (the gateway's page asks
        /// for a minute between payment and split). After five sends the job needs review.
        not_ready_wait: Duration = duration(SHORTEST..=DAY), default(Policy::default().not_ready_wait);
        /// The channel by which this app's orders are paid. Left out: either. BeingFi says "done" also of an order from which nothing was paid
        /// out. Without the channel's number, and if WeChat Pay is said to be done at once, the job needs review.
        channel: Option<Channel> = word(&[("wxpay", Channel::Wxpay), ("alipay", Channel::Alipay)]), optional("wxpay");
        /// The path of a division's query. BeingFi's page has none; other vendors of its family have this one. With it, WeChat Pay's splits are
        /// followed to their end. Without it, each waits until `poll_deadline` and then needs review.
        split_query_path: Option<String> = path(), optional("/api/division/query");
        /// # Messages
        /// Messages that mean: anything may have happened. This list is looked at first. In these seven lists name parts of messages, of at
        /// least 4 characters, whose meaning BeingFi has confirmed to you. They come before those that Bursar knows. A message in no list
        /// leaves its job in doubt.
        in_doubt_texts: Vec<String> = parts_of_messages(), default(Vec::new());
        /// Messages that mean: refused for good, certainly not executed.
        final_texts: Vec<String> = parts_of_messages(), default(Vec::new());
        /// Messages that mean: the gateway divides the order already, or has divided it.
        duplicate_texts: Vec<String> = parts_of_messages(), default(Vec::new());
        /// Messages that mean: certainly not executed, the order is not ready. It is tried again after `not_ready_wait`.
        not_ready_texts: Vec<String> = parts_of_messages(), default(Vec::new());
        /// Messages that mean: certainly not executed, worth another try.
        not_executed_texts: Vec<String> = parts_of_messages(), default(Vec::new());
        /// Messages that mean: certainly not executed until an operator corrects the account. They pause its queues.
        config_fault_texts: Vec<String> = parts_of_messages(), default(Vec::new());
        /// Messages by which a query says that there is no such division.
        unseen_texts: Vec<String> = parts_of_messages(), default(Vec::new());
    }
}

impl BeingfiKeys {
    /// The gateway's block. Sets the policy of which BeingFi alone has keys.
    pub(super) fn block(&self, policy: &mut Policy) -> BeingfiBlock {
        policy.not_ready_wait = self.not_ready_wait;
        BeingfiBlock {
            mch_no: self.mch_no.clone(),
            app_id: self.app_id.clone(),
            secret_file: self.secret_file.clone(),
            channel: self.channel,
            split_query_path: self.split_query_path.clone(),
            texts: self.texts(),
        }
    }

    /// The parts of messages by their meaning.
    fn texts(&self) -> RefusalTexts {
        RefusalTexts {
            in_doubt: self.in_doubt_texts.clone(),
            refused: self.final_texts.clone(),
            duplicate: self.duplicate_texts.clone(),
            not_ready: self.not_ready_texts.clone(),
            not_executed: self.not_executed_texts.clone(),
            config_fault: self.config_fault_texts.clone(),
            unseen: self.unseen_texts.clone(),
        }
    }
}
