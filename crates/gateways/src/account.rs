//! One account's gateway, as it is configured and as it is connected: the only place that lists the gateways.

use std::path::Path;
use std::sync::Arc;

use bursar_domain::{AccountRules, Fen, GatewayKind};

use crate::yzt::PLATFORM_KEY;
use crate::{
    Beingfi, BeingfiBlock, BeingfiSettings, Capability, Gateway, NotificationReader, Rate, SettingsError, SharedParts,
    Transport, Yzt, YztBlock, YztSettings,
};

/// The keys of an account's configuration that only its gateway has.
#[derive(Clone, Debug, PartialEq)]
pub enum GatewayBlock {
    /// 银账通.
    Yzt(YztBlock),
    /// BeingFi Pay.
    Beingfi(BeingfiBlock),
}

/// The facts about a gateway that no account changes.
pub(crate) struct GatewayFacts {
    /// The capabilities that it has.
    pub capabilities: &'static [Capability],
    /// True if it answers by sub-codes, whose meaning an account may list.
    pub sub_codes: bool,
    /// The trial that shows if the gateway recognises a repeated send, as an instruction.
    pub trial: &'static str,
}

impl GatewayBlock {
    /// The gateway.
    #[must_use]
    pub const fn kind(&self) -> GatewayKind {
        match self {
            Self::Yzt(_) => GatewayKind::Yzt,
            Self::Beingfi(_) => GatewayKind::Beingfi,
        }
    }

    const fn facts(&self) -> GatewayFacts {
        match self {
            Self::Yzt(_) => YztBlock::FACTS,
            Self::Beingfi(_) => BeingfiBlock::FACTS,
        }
    }

    /// True if the gateway has this capability.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.facts().capabilities.contains(&capability)
    }

    /// True if the gateway answers by sub-codes, whose meaning an account may list.
    #[must_use]
    pub const fn has_sub_codes(&self) -> bool {
        self.facts().sub_codes
    }

    /// The trial that shows if the gateway recognises a repeated send: "send one fen twice under one `platform_no`".
    #[must_use]
    pub const fn trial(&self) -> &'static str {
        self.facts().trial
    }

    /// The account's name at its gateway, with the key that has it: `app_id 2024…`.
    #[must_use]
    pub fn owner(&self) -> String {
        match self {
            Self::Yzt(block) => block.owner(),
            Self::Beingfi(block) => block.owner(),
        }
    }

    /// The rules that jobs for the account are validated by.
    #[must_use]
    pub fn rules(&self, max_amount: Option<Fen>) -> AccountRules {
        let rules = AccountRules { max_amount, ..AccountRules::new(self.kind()) };
        match self {
            Self::Yzt(block) => AccountRules {
                generic_split: block.split.is_some(),
                party_types: block.party_types,
                additional: block.additional_kinds,
                ..rules
            },
            Self::Beingfi(_) => rules,
        }
    }

    /// The files that it names, by the keys that name them.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Self::Yzt(block) => block.files(),
            Self::Beingfi(block) => block.files(),
        }
    }

    /// The file that signs requests, by the key that names it: anyone who has it can pay.
    #[must_use]
    pub fn signing_key(&self) -> (&'static str, &Path) {
        match self {
            Self::Yzt(block) => block.signing_key(),
            Self::Beingfi(block) => block.signing_key(),
        }
    }

    /// The other files that hold secrets, by the keys that name them.
    #[must_use]
    pub fn tokens(&self) -> Vec<(&'static str, &Path)> {
        let is_token = |(key, _): &(&'static str, &Path)| *key != PLATFORM_KEY && *key != self.signing_key().0;
        self.files().into_iter().filter(is_token).collect()
    }

    /// The settings with the secrets in their files, which `read` reads: key and path.
    ///
    /// # Errors
    /// The first error of `read`.
    pub fn settings<E>(
        &self,
        transport: Transport,
        read: impl Fn(&'static str, &Path) -> Result<String, E>,
    ) -> Result<GatewaySettings, E> {
        Ok(GatewaySettings(match self {
            Self::Yzt(block) => Settings::Yzt(block.settings(transport, read)?),
            Self::Beingfi(block) => Settings::Beingfi(block.settings(transport, read)?),
        }))
    }

    /// The way to verify the gateway's notifications; `None` where it sends none, or signs none for this account. It needs none of
    /// the account's secrets.
    #[must_use]
    pub fn notifications(&self) -> Option<NotificationKey<'_>> {
        match self {
            Self::Yzt(block) => {
                Some(NotificationKey { key: PLATFORM_KEY, file: block.response_sign.key()?, app_id: &block.app_id })
            }
            Self::Beingfi(_) => None,
        }
    }
}

/// The public key that notifications are verified with, by the file that holds it.
#[derive(Clone, Copy, Debug)]
pub struct NotificationKey<'a> {
    /// The configuration's key that names the file.
    pub key: &'static str,
    /// The file.
    pub file: &'a Path,
    app_id: &'a str,
}

impl NotificationKey<'_> {
    /// The reader of the account's notifications, with the text of the file.
    ///
    /// # Errors
    /// [`SettingsError`] where the text is no public key.
    pub fn reader(&self, text: &str, parts: &SharedParts) -> Result<NotificationReader, SettingsError> {
        NotificationReader::sharing(self.app_id, text, parts)
    }
}

/// Everything that an account's gateway is made of, its secrets among it.
#[derive(Debug)]
pub struct GatewaySettings(Settings);

#[derive(Debug)]
enum Settings {
    Yzt(YztSettings),
    Beingfi(BeingfiSettings),
}

impl GatewaySettings {
    /// Checks everything that the account needs. Connects nowhere yet. Every request of a call beyond its first waits for its place in
    /// `rate`, if there is one.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first setting that cannot work and why.
    pub fn gateway(self, parts: &SharedParts, rate: Option<Arc<dyn Rate>>) -> Result<Arc<dyn Gateway>, SettingsError> {
        Ok(match self.0 {
            Settings::Yzt(settings) => {
                let yzt = Yzt::sharing(settings, parts)?;
                Arc::new(match rate {
                    Some(rate) => yzt.within(rate),
                    None => yzt,
                })
            }
            // Each of its calls is one request.
            Settings::Beingfi(settings) => Arc::new(Beingfi::sharing(settings, parts)?),
        })
    }
}
