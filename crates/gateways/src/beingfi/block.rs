//! The keys of an account's configuration that only BeingFi has.

use std::path::{Path, PathBuf};

use super::{BeingfiSettings, Channel, RefusalTexts};
use crate::account::GatewayFacts;
use crate::{Secret, Transport};

/// One account at BeingFi as it is configured. The secret is a file, read when the gateway is built.
#[derive(Clone, Debug, PartialEq)]
pub struct BeingfiBlock {
    /// The merchant's number.
    pub mch_no: String,
    /// The app's id.
    pub app_id: String,
    /// The secret that signatures are made with.
    pub secret_file: PathBuf,
    /// The one channel that this app's orders are paid through.
    pub channel: Option<Channel>,
    /// Where divisions are queried, at a vendor that has such an address.
    pub split_query_path: Option<String>,
    /// Texts of refusals that this tenant has learnt the meaning of.
    pub texts: RefusalTexts,
}

const SECRET: &str = "secret_file";

impl BeingfiBlock {
    pub(crate) const FACTS: GatewayFacts = GatewayFacts {
        capabilities: &[crate::Capability::Bind],
        sub_codes: false,
        trial: "divide one small paid order twice",
    };

    pub(crate) fn owner(&self) -> String {
        format!("mch_no {}", self.mch_no)
    }

    pub(crate) fn signing_key(&self) -> (&'static str, &Path) {
        (SECRET, &self.secret_file)
    }

    pub(crate) fn files(&self) -> Vec<(&'static str, &Path)> {
        vec![(SECRET, &self.secret_file)]
    }

    pub(crate) fn settings<E>(
        &self,
        transport: Transport,
        read: impl Fn(&'static str, &Path) -> Result<String, E>,
    ) -> Result<BeingfiSettings, E> {
        Ok(BeingfiSettings {
            transport,
            mch_no: self.mch_no.clone(),
            app_id: self.app_id.clone(),
            secret: Secret::new(read(SECRET, &self.secret_file)?),
            channel: self.channel,
            split_query_path: self.split_query_path.clone(),
            texts: self.texts.clone(),
        })
    }
}
