//! The keys of an account's configuration that only YZT has.

use std::path::{Path, PathBuf};

use bursar_domain::{KindSet, PartyTypes};

use super::{QueryKey, ResponseSign, SplitMethods, SubCodes, UnsignedErrors, UploadMethod, YztSettings};
use crate::account::GatewayFacts;
use crate::{Secret, Transport};

/// One account at YZT as it is configured. Secrets are files, read when the gateway is built.
#[derive(Clone, Debug, PartialEq)]
pub struct YztBlock {
    /// The app's id.
    pub app_id: String,
    /// The app's private key.
    pub private_key_file: PathBuf,
    /// The rule by which answers are trusted, with the file of the platform's public key.
    pub response_sign: ResponseSign<PathBuf>,
    /// The weight of an error without a signature.
    pub unsigned_errors: UnsignedErrors,
    /// The token of a merchant that authorised the app.
    pub app_auth_token_file: Option<PathBuf>,
    /// The number that a status query is keyed on.
    pub query_key: QueryKey,
    /// The name under which bills are uploaded.
    pub upload_method: UploadMethod,
    /// The methods of the undocumented split, where the operator has their description.
    pub split: Option<SplitMethods>,
    /// Sub-codes that this tenant has learnt the meaning of.
    pub sub_codes: SubCodes,
    /// The types of account that a transfer may name.
    pub party_types: PartyTypes,
    /// The kinds of job that the account takes besides the usual ones.
    pub additional_kinds: KindSet,
}

const PRIVATE_KEY: &str = "private_key_file";
pub(crate) const PLATFORM_KEY: &str = "platform_public_key_file";
const TOKEN: &str = "app_auth_token_file";

impl YztBlock {
    pub(crate) const FACTS: GatewayFacts = GatewayFacts {
        capabilities: &[crate::Capability::Balance],
        sub_codes: true,
        trial: "send one fen twice under one platform_no",
    };

    pub(crate) fn owner(&self) -> String {
        format!("app_id {}", self.app_id)
    }

    pub(crate) fn signing_key(&self) -> (&'static str, &Path) {
        (PRIVATE_KEY, &self.private_key_file)
    }

    pub(crate) fn files(&self) -> Vec<(&'static str, &Path)> {
        let files = [
            (PRIVATE_KEY, Some(self.private_key_file.as_path())),
            (PLATFORM_KEY, self.response_sign.key().map(PathBuf::as_path)),
            (TOKEN, self.app_auth_token_file.as_deref()),
        ];
        files.into_iter().filter_map(|(key, path)| Some((key, path?))).collect()
    }

    pub(crate) fn settings<E>(
        &self,
        transport: Transport,
        read: impl Fn(&'static str, &Path) -> Result<String, E>,
    ) -> Result<YztSettings, E> {
        Ok(YztSettings {
            transport,
            app_id: self.app_id.clone(),
            app_auth_token: self
                .app_auth_token_file
                .as_ref()
                .map(|path| read(TOKEN, path))
                .transpose()?
                .map(Secret::new),
            private_key: Secret::new(read(PRIVATE_KEY, &self.private_key_file)?),
            response_sign: match &self.response_sign {
                ResponseSign::Required(path) => ResponseSign::Required(read(PLATFORM_KEY, path)?),
                ResponseSign::Waived => ResponseSign::Waived,
            },
            unsigned_errors: self.unsigned_errors,
            query_key: self.query_key,
            upload_method: self.upload_method,
            split: self.split.clone(),
            sub_codes: self.sub_codes.clone(),
        })
    }
}
