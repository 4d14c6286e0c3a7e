//! The layout of this Redis: `PREFIX:layout`, written once, before the first job. A build that finds another one
//! changes nothing.

use serde::{Deserialize, Serialize};

use crate::jobs::PARTITIONS;
use crate::{Store, StoreError};

/// The layout of keys and scripts that this build uses. Records have their own version, and builds of two neighbouring
/// versions of records share a layout.
pub const LAYOUT: u32 = 2;

/// The text of `PREFIX:layout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    layout: u32,
    partitions: u16,
}

impl Layout {
    fn read(text: &str) -> Result<Self, StoreError> {
        let unknown = || StoreError::Layout(format!("its text, {text:?}, is none that this build knows"));
        let found: Self = serde_json::from_str(text).map_err(|_| unknown())?;
        if found.partitions == 0 {
            return Err(unknown());
        }
        if found.layout == LAYOUT {
            return Ok(found);
        }
        let (than, what) =
            if found.layout > LAYOUT { ("newer", "use that build") } else { ("older", "drain it with that build") };
        Err(StoreError::Layout(format!(
            "it is layout {}, of a build {than} than this one, which works on layout {LAYOUT}: {what}, or use another redis.prefix",
            found.layout
        )))
    }
}

impl Store {
    /// Learns the layout of this Redis, where it has one.
    pub(crate) async fn with_layout_found(mut self) -> Result<Self, StoreError> {
        let mut pipeline = redis::Pipeline::new();
        pipeline.get(self.keys.layout()).exists(self.keys.queues());
        let found: Result<(Option<String>, bool), StoreError> = self.query("GET", &pipeline).await;
        match found {
            Ok((Some(text), _)) => {
                let partitions = Layout::read(&text)?.partitions;
                self.queues = self.queues.with_partitions(partitions);
            }
            Ok((None, true)) => {
                return Err(StoreError::Layout(
                    "it has none, and queues below this prefix: a build before layout 2 wrote them; drain them with that build, or \
                     use another redis.prefix"
                        .into(),
                ));
            }
            // A new Redis; or one that refuses the command, which the preflight reports.
            Ok((None, false)) | Err(_) => {}
        }
        Ok(self)
    }

    /// Divides a Redis without a layout into this many partitions; an existing layout stays.
    ///
    /// # Errors
    /// [`StoreError::Layout`] if its layout has another number.
    pub async fn with_partitions(mut self, partitions: u16) -> Result<Self, StoreError> {
        self.queues = self.queues.with_partitions(partitions.max(1));
        let mut pipeline = redis::Pipeline::new();
        pipeline.get(self.keys.layout());
        let (found,): (Option<String>,) = self.query("GET", &pipeline).await?;
        if let Some(text) = found {
            self.has_layout(&text)?;
        }
        Ok(self)
    }

    /// Checks that this text of `PREFIX:layout` is this store's layout.
    pub(crate) fn has_layout(&self, text: &str) -> Result<(), StoreError> {
        let (found, ours) = (Layout::read(text)?.partitions, self.queues.count());
        if found == ours {
            return Ok(());
        }
        Err(StoreError::Layout(format!(
            "it has {found} partitions, and this process was to use {ours}: their number is fixed by the first job; set redis.partitions = {found}"
        )))
    }

    /// The text that a new Redis gets.
    pub(crate) fn layout_text(&self) -> String {
        serde_json::to_string(&Layout { layout: LAYOUT, partitions: self.queues.count() }).unwrap_or_default()
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self { layout: LAYOUT, partitions: PARTITIONS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_layout_is_refused_with_what_to_do() {
        assert_eq!(Layout::read(r#"{"layout":2,"partitions":32}"#).unwrap(), Layout::default());
        assert_eq!(Layout::read(r#"{"layout":2,"partitions":4,"since":"2.1"}"#).unwrap().partitions, 4);
        for (text, says) in [
            (r#"{"layout":3,"partitions":32}"#, "newer than this one, which works on layout 2: use that build"),
            (r#"{"layout":1,"partitions":32}"#, "drain it with that build"),
            (r#"{"layout":2}"#, "none that this build knows"),
            ("x", "none that this build knows"),
        ] {
            let error = Layout::read(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
