//! Text messages: what an organization's read like, and what is kept of who may be sent any.

use crate::{Flaw, Timestamp, issue::Code, text};

/// What a new user is greeted with where the organization has set nothing else.
pub const DEFAULT_TEMPLATE: &str =
    "{organization} added you to its directory. Reply STOP to receive no more text messages.";

/// A text with fields: `{organization}` and `{firstName}`, and nothing else of anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Box<str>);

/// What stands in braces in a template, and what it stands for.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each says itself")]
pub struct Fields<'a> {
    pub organization: &'a str,
    pub first_name: &'a str,
}

impl Template {
    /// The most UTF-16 units it may have: with its fields filled in it must be sendable, and a gateway takes 1600.
    pub const MAX: usize = 480;

    /// Checks a text: 1 to 480 units, on one line, with no other braces than those of its fields.
    pub fn parse(text: &str) -> Result<Self, Vec<Flaw>> {
        let text = text::line(text, Self::MAX)?;
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let field = rest[at..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            match field {
                Some(("organization" | "firstName", after)) => rest = after,
                _ => {
                    return Err(
                        Flaw::new(Code::Custom, "Fields are {organization} and {firstName}, and no others").into()
                    );
                }
            }
        }
        Ok(Self(text.into()))
    }

    /// The text, its fields in braces.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text with its fields filled in.
    pub fn render(&self, fields: Fields<'_>) -> String {
        let mut rendered = String::with_capacity(self.0.len() + 64);
        let mut rest = &*self.0;
        // One pass: a brace in somebody's name is only a brace.
        while let Some((before, field)) = rest.split_once('{') {
            rendered.push_str(before);
            let (name, after) = field.split_once('}').unwrap_or((field, ""));
            rendered.push_str(if name == "firstName" { fields.first_name } else { fields.organization });
            rest = after;
        }
        rendered.push_str(rest);
        rendered
    }
}

impl Default for Template {
    fn default() -> Self {
        Self(DEFAULT_TEMPLATE.into())
    }
}

impl std::str::FromStr for Template {
    type Err = Vec<Flaw>;

    fn from_str(text: &str) -> Result<Self, Vec<Flaw>> {
        Self::parse(text)
    }
}

text::text_type!(
    /// The words under which people agree to text messages: what the clinic's form says.
    ConsentWording, 2000, line
);

/// How an organization's text messages read. Each change is a new version, and none is ever removed: a consent names
/// the version it was given under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What a new user is greeted with.
    pub template: Template,
    /// What people have agreed to when `shouldSendSMS` is set; `None`: nobody has said.
    pub wording: Option<ConsentWording>,
    /// Text messages an hour, at most; `None`: what the server's operator allows.
    pub hourly: Option<u32>,
    /// When it was set.
    pub at: Timestamp,
}

impl Default for Setting {
    fn default() -> Self {
        Self { template: Template::default(), wording: None, hourly: None, at: Timestamp::from_millis(0) }
    }
}

/// That somebody may be sent text messages, or may not, from this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// When it was said.
    pub at: Timestamp,
    /// Whether they may.
    pub given: bool,
    /// Who said so, and by which door: a key's id (the API), `cli`, `sms` (the person, by text message), or `gateway`
    /// (which refused a message because the person had told it so).
    pub by: String,
    /// The version of the organization's [`Setting`] in force, from 1; 0 if there was none.
    pub wording: u32,
    /// The request it came in, or the gateway's id of the message.
    pub reference: String,
}

/// What a person means by a text message to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Keyword {
    Stop,
    Start,
}

impl Keyword {
    /// Reads a message. The words are those that US carriers and Twilio honour (Twilio, "Support for opt-out keywords";
    /// 47 CFR 64.1200(a)(10) of 2025 names stop, quit, end, revoke, opt out, cancel and unsubscribe).
    pub fn parse(text: &str) -> Option<Self> {
        let letters = |c: char| c.is_alphanumeric();
        let said: String = text.chars().filter(|c| letters(*c)).flat_map(char::to_lowercase).take(20).collect();
        match said.as_str() {
            "stop" | "stopall" | "unsubscribe" | "cancel" | "end" | "quit" | "revoke" | "optout" => Some(Self::Stop),
            "start" | "unstop" | "yes" | "optin" => Some(Self::Start),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_its_two_fields_and_no_others() {
        for text in [DEFAULT_TEMPLATE, "Hello", "{firstName}{organization}{firstName}"] {
            assert!(Template::parse(text).is_ok(), "{text}");
        }
        for text in ["", "{lastName}", "{", "}", "a } b", "{firstName", "{{firstName}}", "{ firstName }", "a\nb"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        assert!(Template::parse(&"x".repeat(Template::MAX)).is_ok());
        assert!(Template::parse(&"x".repeat(Template::MAX + 1)).is_err());
    }

    #[test]
    fn a_name_with_braces_fills_in_nothing_more() {
        let template = Template::parse("Hi {firstName} of {organization}!").expect("a template");
        let fields = Fields { organization: "{firstName}", first_name: "{organization}" };
        assert_eq!(template.render(fields), "Hi {organization} of {firstName}!");
    }

    #[test]
    fn a_keyword_is_the_whole_message() {
        for text in ["STOP", " stop. ", "Opt-Out", "opt out", "UNSUBSCRIBE!", "\"quit\""] {
            assert_eq!(Keyword::parse(text), Some(Keyword::Stop), "{text}");
        }
        assert_eq!(Keyword::parse("Start"), Some(Keyword::Start));
        for text in ["", "please stop by tomorrow", "stopping", "I can't start"] {
            assert_eq!(Keyword::parse(text), None, "{text}");
        }
    }
}
