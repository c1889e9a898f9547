//! The cookies of consent tools, each as what it states and as its text.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::codes::{self, Words};
use crate::dice::{Rng, chance, encoded, list, object, pick};
use crate::events::says;
use crate::iab;
use crate::oracle::{Says, Statement};
use crate::site::{Format, Site};

/// What browsers keep of a cookie, in bytes.
const LONGEST: usize = 4096;

/// The consent tools that a visitor's browser has cookies of: `name=value`, and what each states.
pub fn any(rng: &mut Rng, site: &Site) -> Vec<(Statement, String)> {
    let mut cookies = Vec::new();
    let tools = pick(rng, &[0, 0, 1, 1, 1, 1, 2, 3]);
    for _ in 0..tools {
        let cookie = one(rng, site);
        // Set for the host and for its domain: two cookies of one name.
        if chance(rng, 10) {
            let name = &cookie.1[..cookie.1.find('=').unwrap_or_default()];
            let others: Vec<_> =
                (0..40).map(|_| one(rng, site)).filter(|(_, other)| other.starts_with(name)).collect();
            cookies.extend(others.into_iter().next());
        }
        cookies.push(cookie);
    }
    cookies
}

fn one(rng: &mut Rng, site: &Site) -> (Statement, String) {
    let tool = rng.u8(..9);
    let (name, (statement, value)) = match tool {
        0 | 1 => ("OptanonConsent", onetrust(rng, site)),
        2 => ("CookieConsent", cookiebot(rng)),
        3 => ("didomi_token", didomi(rng, site)),
        4 => ("euconsent-v2", iab::tcf(rng)),
        5 => ("__gpp", iab::gpp(rng)),
        6 => ("OTGPPConsent", iab::gpp(rng)),
        7 => ("usprivacy", iab::us_privacy(rng)),
        _ => match site.custom {
            Some((format, analytics)) => ("my_consent", custom(rng, format, analytics)),
            None => ("CookieConsent", cookiebot(rng)),
        },
    };
    let has_opt_out = statement.gpc || statement.sale_opt_out;
    // Of the site's own cookie only what it knows is refused, which may leave analytics out.
    let knows_all = tool < 8 || !matches!(site.custom, Some((_, false)));
    if knows_all && !has_opt_out && chance(rng, 2) {
        return (Statement::unreadable(), format!("{name}={value}&pad={}", "A".repeat(LONGEST)));
    }
    (statement, format!("{name}={value}"))
}

fn onetrust(rng: &mut Rng, site: &Site) -> (Statement, String) {
    if chance(rng, 3) {
        return (Statement::unreadable(), pick(rng, &["unreadable", "", "%%%"]).to_owned());
    }
    let mut statement = Statement::new(says(rng), says(rng));
    let words = if chance(rng, 15) { Words::Numbers } else { Words::Groups };
    let mut groups: Vec<String> = Vec::new();
    let asks = chance(rng, 90);
    if asks {
        let written = codes::write(rng, site, words, statement.marketing, statement.analytics);
        let choice = |rng: &mut Rng, granted: bool| {
            if granted { "1" } else { pick(rng, &["0", "0", "0", "2", "true", ""]) }
        };
        groups.extend(written.into_iter().map(|(word, granted)| format!("{word}:{}", choice(rng, granted))));
    } else {
        statement = Statement::new(Says::Silent, Says::Silent);
    }
    let mut sale_groups = 0;
    for group in ["SPD_BG", "SSPD_BG", "OSSTA_BG"] {
        if chance(rng, if asks { 6 } else { 40 }) {
            let opted_out = chance(rng, 30);
            statement.sale_opt_out |= opted_out;
            groups.push(format!("{group}:{}", u8::from(!opted_out)));
            sale_groups += 1;
        }
    }
    // A template of the US alone asks for no consent.
    statement.asked = sale_groups == 0 || groups.len() > sale_groups;
    rng.shuffle(&mut groups);
    let times = pick(rng, &[0, 1, 1, 1, 2]);
    let mut fields = vec![
        "version=202401.1.0".to_owned(),
        format!("landingPath={}", encoded("https://shop.example.com/?a=b", 1)),
    ];
    if !groups.is_empty() || chance(rng, 50) {
        fields.push(format!("groups={}", encoded(&groups.join(","), times)));
    } else {
        // OneTrust always writes its groups: without them the cookie was cut.
        statement = Statement::unreadable();
    }
    for name in ["isGpcEnabled", "browserGpcFlag"] {
        if chance(rng, 40) {
            let gpc = chance(rng, 10);
            statement.gpc |= gpc;
            fields.push(format!("{name}={}", u8::from(gpc)));
        }
    }
    if chance(rng, 20) {
        let awaiting = chance(rng, 40);
        fields.push(format!("AwaitingReconsent={awaiting}"));
        if awaiting {
            let Statement { gpc, sale_opt_out, .. } = statement;
            statement = Statement { gpc, sale_opt_out, ..Statement::unreadable() };
        }
    }
    rng.shuffle(&mut fields);
    let value = fields.join("&");
    // Some frameworks encode the whole value once more.
    (statement, if chance(rng, 10) { encoded(&value, 1) } else { value })
}

fn cookiebot(rng: &mut Rng) -> (Statement, String) {
    match rng.u8(..12) {
        0 => return (Statement::not_asked(), "-1".to_owned()),
        1 => {
            return (
                Statement::unreadable(),
                pick(rng, &["0", "false", "true", "unreadable", "", "{", "1"]).to_owned(),
            );
        }
        _ => {}
    }
    let (marketing, analytics) = (says(rng).or_refuses(), says(rng).or_refuses());
    let mut members = vec![
        format!("stamp:'{}=='", pick(rng, &["x", "a,marketing:true", "}{", "marketing:false"])),
        "necessary:true".to_owned(),
        format!("preferences:{}", rng.bool()),
        "method:'explicit'".to_owned(),
        "ver:1".to_owned(),
        "region:'fr'".to_owned(),
    ];
    if chance(rng, 10) {
        members.push("extra:{marketing:true,statistics:true}".to_owned());
    }
    for (name, says) in [("marketing", marketing), ("statistics", analytics)] {
        let refused = pick(rng, &["false", "false", "false", "'true'", "1", "0"]);
        members.push(format!("{name}:{}", if says == Says::Grants { "true" } else { refused }));
        if says == Says::Refuses && chance(rng, 10) {
            members.push(format!("{name}:true"));
        }
    }
    rng.shuffle(&mut members);
    let text = format!("{{{}}}", members.join(pick(rng, &[",", ", "])));
    // A semicolon would end the cookie, and there is none.
    let text = match rng.u8(..4) {
        0 => text.replace(' ', "+").replace('\'', "%27").replace(',', "%2C"),
        1 => encoded(&text, 1).replace("%20", "+"),
        2 => encoded(&text, 1),
        _ => text.replace('\'', "%27").replace(',', "%2c").replace(' ', "%20"),
    };
    (Statement::new(marketing, analytics), text)
}

fn didomi(rng: &mut Rng, site: &Site) -> (Statement, String) {
    if chance(rng, 4) {
        let garbage = pick(rng, &["unreadable", "", "%%%", "e30", "bnVsbA==", "W10="]);
        return (Statement::unreadable(), garbage.to_owned());
    }
    let own_only = chance(rng, 8);
    let (mut enabled, mut disabled) = (vec!["p4em9a8m".to_owned()], Vec::new());
    let mut statement = Statement::new(Says::Silent, Says::Silent);
    if !own_only {
        statement = Statement::new(says(rng).or_refuses(), says(rng).or_refuses());
        let mut marketing = vec![
            "advertising_personalization",
            "select_basic_ads",
            "create_ads_profile",
            "measure_ad_performance",
        ];
        if site.aliases {
            marketing.push("BG_ADS");
        }
        let analytics = ["analytics", "measure_content_performance"];
        let left_out = rng.usize(..10);
        for (nth, ids, says) in
            [(0, &marketing[..], statement.marketing), (1, &analytics, statement.analytics)]
        {
            let grants = says == Says::Grants;
            // What is left out beside others is refused as well.
            if nth == left_out && !grants {
                continue;
            }
            // Of several, one that is disabled refuses.
            let all = ids.iter().filter(|_| chance(rng, 40)).map(|id| (*id).to_owned()).collect::<Vec<_>>();
            let decisive = pick(rng, ids).to_owned();
            for id in all.into_iter().filter(|id| *id != decisive) {
                if grants || rng.bool() { enabled.push(id) } else { disabled.push(id) }
            }
            if grants { enabled.push(decisive) } else { disabled.push(decisive) }
        }
    }
    let lists =
        vec![("enabled".to_owned(), list(rng, enabled)), ("disabled".to_owned(), list(rng, disabled))];
    let members = vec![
        ("purposes".to_owned(), object(rng, lists)),
        ("version".to_owned(), "2".to_owned()),
        ("user_id".to_owned(), "\"17c1\"".to_owned()),
        ("vendors".to_owned(), "{\"enabled\":[\"google\"],\"disabled\":[]}".to_owned()),
    ];
    let json = object(rng, members);
    let text = match rng.u8(..4) {
        0 => STANDARD.encode(json),
        1 => encoded(&STANDARD.encode(json), 1),
        2 => STANDARD_NO_PAD.encode(json),
        _ => URL_SAFE_NO_PAD.encode(json),
    };
    (statement, text)
}

/// The site's own cookie.
fn custom(rng: &mut Rng, format: Format, analytics: bool) -> (Statement, String) {
    let of = |rng: &mut Rng, known: bool| if known { says(rng).or_refuses() } else { Says::Silent };
    let statement = Statement::new(of(rng, true), of(rng, analytics));
    // Ids with their choice. What isn't granted may be left out.
    let mut ids: Vec<(&str, bool)> = Vec::new();
    let mut add = |rng: &mut Rng, granting: &[&'static str], says: Says| {
        let grants = says == Says::Grants;
        if grants || rng.bool() {
            ids.push((pick(rng, granting), grants));
        }
        if grants && chance(rng, 30) {
            ids.push((pick(rng, granting), true));
        }
    };
    add(rng, &["ads", "3"], statement.marketing);
    if statement.analytics != Says::Silent {
        add(rng, &["stats"], statement.analytics);
    }
    ids.push(("site_own", true));
    rng.shuffle(&mut ids);
    let yes = ["true", "1", "granted", "yes", "Yes", "TRUE"];
    let no = ["false", "0", "denied", "no", "null"];
    let choice = |rng: &mut Rng, granted: bool| if granted { pick(rng, &yes) } else { pick(rng, &no) };
    let pairs = |rng: &mut Rng, ids: &[(&str, bool)], assign: char, separator: &str| {
        let pair = |(id, granted): &(&str, bool)| format!("{id}{assign}{}", choice(rng, *granted));
        ids.iter().map(pair).collect::<Vec<_>>().join(separator)
    };
    let granted: Vec<String> =
        ids.iter().filter(|(_, granted)| *granted).map(|(id, _)| (*id).to_owned()).collect();
    let text = match format {
        Format::List if rng.bool() => granted.join(","),
        Format::List => pairs(rng, &ids, ':', ","),
        Format::Query => pairs(rng, &ids, '=', "&"),
        Format::Json | Format::Nested => {
            let json = if rng.bool() {
                list(rng, granted)
            } else {
                let value = |rng: &mut Rng, granted: bool| match choice(rng, granted) {
                    plain @ ("true" | "1" | "false" | "0" | "null") => plain.to_owned(),
                    word => format!("\"{word}\""),
                };
                let members =
                    ids.iter().map(|(id, granted)| ((*id).to_owned(), value(rng, *granted))).collect();
                object(rng, members)
            };
            if format == Format::Nested { object(rng, vec![("categories".to_owned(), json)]) } else { json }
        }
    };
    (statement, encoded(&text, pick(rng, &[0, 1, 1, 2])))
}
