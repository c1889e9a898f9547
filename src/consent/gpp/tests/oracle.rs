//! What `iab_gpp` reads from a string with a single section of the United States.

use iab_gpp::sections::us_common::OptOut;
use iab_gpp::sections::{Section, usnat};
use iab_gpp::v1::GPPString;

/// Returns whether the section has an opt-out of ours, and its Gpc; None where the oracle refuses the string.
pub(super) fn read(text: &str) -> Option<(bool, bool)> {
    let mut sections = text.parse::<GPPString>().ok()?.decode_all_sections();
    assert_eq!(sections.len(), 1, "{text}");
    let section = sections.pop()?.ok()?;
    let any = |opt_outs: &[&OptOut]| opt_outs.contains(&&OptOut::OptedOut);
    macro_rules! of {
        ($section:ident, $gpc:expr) => {{
            let core = &$section.core;
            (any(&[&core.sale_opt_out, &core.targeted_advertising_opt_out]), $gpc == Some(true))
        }};
    }
    macro_rules! national {
        ($core:ident) => {
            any(&[&$core.sale_opt_out, &$core.sharing_opt_out, &$core.targeted_advertising_opt_out])
        };
    }
    Some(match &section {
        Section::UsNat(national) => {
            let opted_out = match &national.core {
                usnat::Core::V1(core) => national!(core),
                usnat::Core::V2(core) => national!(core),
                _ => return None,
            };
            (opted_out, national.gpc == Some(true))
        }
        Section::UsCa(section) => {
            (any(&[&section.core.sale_opt_out, &section.core.sharing_opt_out]), section.gpc == Some(true))
        }
        Section::UsVa(section) => of!(section, None),
        Section::UsCo(section) => of!(section, section.gpc),
        Section::UsUt(section) => of!(section, None),
        Section::UsCt(section) => of!(section, section.gpc),
        Section::UsFl(section) => of!(section, None),
        Section::UsMt(section) => of!(section, section.gpc),
        Section::UsOr(section) => of!(section, section.gpc),
        Section::UsTx(section) => of!(section, section.gpc),
        Section::UsDe(section) => of!(section, section.gpc),
        Section::UsIa(section) => of!(section, section.gpc),
        Section::UsNe(section) => of!(section, section.gpc),
        Section::UsNh(section) => of!(section, section.gpc),
        Section::UsNj(section) => of!(section, section.gpc),
        Section::UsTn(section) => of!(section, section.gpc),
        Section::UsMn(section) => of!(section, section.gpc),
        other => panic!("{other:?} is no section of the United States"),
    })
}
