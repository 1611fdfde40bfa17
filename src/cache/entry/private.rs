//! Records that point into this network are found, and taken out of a message.

use hickory_proto::{
    op::Message,
    rr::{
        RData, Record,
        rdata::{
            SVCB,
            svcb::{SvcParamKey, SvcParamValue},
        },
    },
};

use crate::private::is_private;

/// Whether a record holds a private address.
pub(super) fn points_home(record: &Record) -> bool {
    match &record.data {
        RData::HTTPS(service) => service.0.svc_params.iter().any(|(_, value)| hints_home(value)),
        RData::SVCB(service) => service.svc_params.iter().any(|(_, value)| hints_home(value)),
        data => data.ip_addr().is_some_and(is_private),
    }
}

/// Takes out address records, and of services only the hints.
pub(super) fn remove(message: &mut Message) {
    for section in [&mut message.answers, &mut message.authorities, &mut message.additionals] {
        section.retain(|record| !record.data.ip_addr().is_some_and(is_private));
        for record in section.iter_mut() {
            match &mut record.data {
                RData::HTTPS(service) => remove_hints(&mut service.0),
                RData::SVCB(service) => remove_hints(service),
                _ => {}
            }
        }
    }
}

fn remove_hints(service: &mut SVCB) {
    service.svc_params.retain(|(_, value)| !hints_home(value));
    // A list of mandatory keys must not name one that is gone (RFC 9460 section 8).
    let left: Vec<SvcParamKey> = service.svc_params.iter().map(|(key, _)| *key).collect();
    service.svc_params.retain_mut(|(_, value)| match value {
        SvcParamValue::Mandatory(mandatory) => {
            mandatory.0.retain(|key| left.contains(key));
            !mandatory.0.is_empty()
        }
        _ => true,
    });
}

fn hints_home(value: &SvcParamValue) -> bool {
    match value {
        SvcParamValue::Ipv4Hint(hints) => hints.0.iter().any(|hint| is_private(hint.0.into())),
        SvcParamValue::Ipv6Hint(hints) => hints.0.iter().any(|hint| is_private(hint.0.into())),
        _ => false,
    }
}
