//! Tokens: what is taken, jsonwebtoken takes, too; what is minted is read back.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation, crypto};
use serde_json::{Map, Value};

use super::input::{Input, has_repeated_names};
use crate::secret::Secret;
use crate::token::{AUDIENCE, Expiry, Grant, ISSUER, Minter, Use, inspect, read_remote_token, verify};

const NOW: i64 = 1_795_339_568;
const KEY: &str = "tr_dev_fakefakefakefakefakef";

static SECRET: LazyLock<Secret> = LazyLock::new(|| Secret::new(KEY));

/// A token of any text, a token with any header and claims under a good signature, and one minted over any claims.
pub fn tokens(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => any(&String::from_utf8_lossy(input.rest())),
        1 => minted(&mut input),
        2 => drop(read_remote_token(input.rest())),
        _ => signed(&mut input),
    }
}

fn any(token: &str) {
    let verified = verify(token, &SECRET, NOW, 0);
    assert!(verified.is_err() || reference(token).is_some(), "taken here alone: {token}");
    drop(inspect(token, NOW, 0));
}

/// Header and claims of the input, signed with the right key, and the signature perhaps touched afterwards.
fn signed(input: &mut Input<'_>) {
    let touched = input.byte();
    let (header, claims) = (input.part().unwrap_or_default(), input.part().unwrap_or_default());
    // Of a claim that stands twice the last counts here and on the server; jsonwebtoken refuses such a token.
    if has_repeated_names(header) || has_repeated_names(claims) {
        return;
    }
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(KEY.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("signs");
    let token = match touched {
        1 => format!("{message}.{signature}="),
        2 => format!("{message}.{}", &signature[..signature.len() - 1]),
        3 => format!("{message}.{}", signature.to_lowercase()),
        4 => format!("{message}.{}{signature}", char::from(input.byte() & 0x7f)),
        _ => format!("{message}.{signature}"),
    };
    let (verified, inspected, known) = (verify(&token, &SECRET, NOW, 0), inspect(&token, NOW, 0), reference(&token));
    if let Ok(read) = &verified {
        assert_eq!(inspected.as_ref(), Ok(read), "a token that is taken is worth asking about");
        let known = known.as_ref().expect("what is taken here, jsonwebtoken takes");
        assert_eq!(Some(read.sub.as_str()), known["sub"].as_str());
        assert_eq!(known["pub"], true);
        assert!(read.exp.is_none_or(|exp| exp > NOW as f64), "expired");
        let texts = |list: &Value| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        assert_eq!(read.scopes, texts(&known["scopes"]));
        assert_eq!(read.skip_columns, texts(&known["realtime"]["skipColumns"]));
    }
    if let Some(claims) = known
        && is_whole(&claims)
        && serde_json::from_slice::<Value>(header).is_ok_and(|header| header.get("crit").is_none())
    {
        assert!(verified.is_ok(), "refused without need: {verified:?} {claims}");
    }
}

/// What jsonwebtoken makes of a token. It would compare times with the system's clock, so times are left to the test.
fn reference(token: &str) -> Option<Value> {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.required_spec_claims = ["iss", "aud"].map(str::to_owned).into();
    (rules.validate_exp, rules.validate_nbf) = (false, false);
    let key = DecodingKey::from_secret(KEY.as_bytes());
    jsonwebtoken::decode::<Value>(token, &key, &rules).ok().map(|token| token.claims)
}

/// Whether every claim is of the type that the server wants, and the times are good.
fn is_whole(claims: &Value) -> bool {
    let is_number = |name: &str| claims.get(name).is_none_or(Value::is_number);
    let time = |name: &str| claims[name].as_f64();
    let are_texts = |list: Option<&Value>| {
        list.is_none_or(|list| list.as_array().is_some_and(|all| all.iter().all(Value::is_string)))
    };
    claims["pub"] == true
        && claims["iss"].is_string()
        && claims["sub"].is_string()
        && ["exp", "iat", "nbf"].into_iter().all(is_number)
        && time("exp").is_none_or(|exp| exp > NOW as f64)
        && time("nbf").is_none_or(|nbf| nbf <= NOW as f64)
        && claims.get("scopes").is_none_or(Value::is_array)
        && are_texts(claims.get("realtime").and_then(|realtime| realtime.get("skipColumns")))
}

/// A token over any claims of the server holds those claims, with ours in their place.
fn minted(input: &mut Input<'_>) {
    let (usage, expiry) = (input.byte(), input.text());
    let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(input.part().unwrap_or_default()) else { return };
    let scopes = input.part().and_then(|part| serde_json::from_slice::<Vec<String>>(part).ok());
    let scopes_text = scopes.as_ref().map(|scopes| serde_json::to_string(scopes).expect("JSON"));
    let usage = match usage % 3 {
        0 => Use::Public,
        1 => Use::Once([usage; 16]),
        _ => Use::Multiple,
    };
    let expiry = expiry.parse::<f64>().map_or(Expiry::Period(&expiry), Expiry::At);
    let grant = Grant { usage, scopes: scopes_text.as_deref(), realtime: None, expiry };
    let Ok(token) = Minter::new(&SECRET, &claims).mint(&grant, NOW) else { return };
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a payload")).expect("base64url");
    let read: Map<String, Value> = serde_json::from_slice(&payload).expect("claims are JSON");
    for (name, value) in &claims {
        if !["scopes", "realtime", "iss", "aud", "exp", "iat", "jti", "otu"].contains(&name.as_str()) {
            assert!(is_same(value, &read[name]), "{name}: {value} became {}", read[name]);
        }
    }
    assert!(read["exp"].as_f64().is_some_and(|exp| exp > NOW as f64 && exp <= 1e11), "{}", read["exp"]);
    if claims.get("pub") == Some(&Value::Bool(true)) && claims.get("sub").is_some_and(Value::is_string) {
        let is_good = |name: &str| claims.get(name).is_none();
        if ["nbf", "otu", "realtime"].into_iter().all(is_good) {
            let verified = verify(&token, &SECRET, NOW, 0).expect("a minted token is valid");
            assert_eq!(verified.scopes, scopes.unwrap_or_default());
            assert_eq!(verified.otu, matches!(usage, Use::Once(_)));
        }
    }
}

/// Whether two values are the same for JavaScript, which has doubles only and no order of its own for names.
fn is_same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Number(before), Value::Number(after)) => before.as_f64() == after.as_f64(),
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(before), Value::Object(after)) => {
            before.len() == after.len()
                && before.iter().all(|(name, one)| after.get(name).is_some_and(|other| is_same(one, other)))
        }
        _ => before == after,
    }
}
