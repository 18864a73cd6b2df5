//! What receivers know us by, and what we know the gateway by.

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;

/// The signature of a webhook's message, as one of those in `webhook-signature` (Standard Webhooks 1.0.0): `v1,` and the
/// base64 of HMAC-SHA256 over id, seconds since 1970 and body, dots between them.
pub fn webhook(secret: &[u8], id: &str, seconds: i64, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    for part in [id.as_bytes(), b".", seconds.to_string().as_bytes(), b".", body] {
        context.update(part);
    }
    format!("v1,{}", STANDARD.encode(context.sign()))
}

/// Whether the gateway signed this. Compared in constant time.
///
/// A signature is base64 of HMAC-SHA1 over the address that was sent to and, sorted by name, every parameter and its
/// value (Twilio, "Validating signatures from Twilio").
pub fn is_the_gateways(token: &str, url: &str, params: &[(String, String)], signature: &str) -> bool {
    let mut sorted: Vec<_> = params.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut signed = url.to_owned();
    for (name, value) in sorted {
        signed.push_str(name);
        signed.push_str(value);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    STANDARD.decode(signature).is_ok_and(|tag| hmac::verify(&key, signed.as_bytes(), &tag).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that Standard Webhooks' own libraries are tested with.
    #[test]
    fn a_webhook_is_signed_as_the_specification_does() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signature = webhook(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    /// The example in Twilio's documentation.
    #[test]
    fn the_gateways_signature_is_known_and_no_other() {
        let params: Vec<(String, String)> = [
            ("To", "+18005551212"),
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675310"),
            ("Digits", "1234"),
            ("From", "+14158675310"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let (url, right) = ("https://mycompany.com/myapp.php?foo=1&bar=2", "GvWf1cFY/Q7PnoempGyD5oXAezc=");
        assert!(is_the_gateways("12345", url, &params, right));
        assert!(!is_the_gateways("12346", url, &params, right));
        assert!(!is_the_gateways("12345", "https://mycompany.com/myapp.php?foo=1", &params, right));
        assert!(!is_the_gateways("12345", url, &params[1..], right));
        for wrong in ["", "GvWf1cFY/Q7PnoempGyD5oXAezA=", "not base64"] {
            assert!(!is_the_gateways("12345", url, &params, wrong), "{wrong}");
        }
    }
}
