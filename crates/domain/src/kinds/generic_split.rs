//! `bkfunds.split.apply`: a name that YZT's pages mention and none documents. An operator who has its description
//! switches it on (`split_method`); the body then goes through as it is, with the key in `platform_no`. Unverified.

use super::job_kind::{Body, Draft, Further, Submitted};
use crate::fields::Reader;

pub(super) const BODY: Body = Body { fields: &[], one_of: &[], lists: &[], further: Further::Any, undocumented: &[] };

pub(super) fn read(reader: &mut Reader<'_>, job: &Submitted<'_>) -> Option<Draft> {
    let mut fields = vec![("platform_no".to_owned(), job.key.into())];
    reader.rest(&["platform_no"], &mut fields);
    if fields.len() == 1 {
        reader.wrong_itself("must not be empty");
    }
    Some(Draft { fields, business_key: job.key.to_owned(), not_before: None })
}
