//! What shall go wrong, and at which call: a plan that a test or the demo sets
//! and that calls use up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Never answers, and does nothing.
    TimeoutBefore,
    /// Does what was asked, and never answers.
    TimeoutAfter,
    /// Does nothing, and answers this.
    Status {
        /// The HTTP status.
        status: u16,
        /// The header `Retry-After`, as it shall stand there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
        /// The body; else a few words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// Does what was asked, and answers this instead of the truth.
    StatusAfter {
        /// The HTTP status.
        status: u16,
    },
    /// Does what was asked; the first half of the answer arrives as if it were
    /// the whole.
    BrokenBody,
    /// Does what was asked; the connection breaks in the middle of the answer.
    Disconnect,
    /// Does what was asked; the answer comes a few bytes at a time.
    Trickle {
        /// Bytes in each piece.
        bytes: usize,
        /// Before each piece.
        wait_millis: u64,
    },
}

impl Fault {
    /// The word in journals.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::TimeoutBefore => "timeout_before",
            Self::TimeoutAfter => "timeout_after",
            Self::Status { .. } => "status",
            Self::StatusAfter { .. } => "status_after",
            Self::BrokenBody => "broken_body",
            Self::Disconnect => "disconnect",
            Self::Trickle { .. } => "trickle",
        }
    }

    /// Whether the call is acted upon all the same.
    pub const fn acts(&self) -> bool {
        !matches!(self, Self::TimeoutBefore | Self::Status { .. })
    }

    /// A bare status.
    pub const fn status(status: u16) -> Self {
        Self::Status {
            status,
            retry_after: None,
            body: None,
        }
    }
}

/// Which calls go wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The operation's name, as the journal has it; `*` at its end stands for
    /// anything.
    pub operation: String,
    /// Which of its calls, counted from one since the rules were last set; absent
    /// for every call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// What goes wrong.
    pub fault: Fault,
}

impl Rule {
    /// The `nth` call of `operation` goes wrong.
    pub fn nth(operation: &str, nth: u64, fault: Fault) -> Self {
        Self {
            operation: operation.to_owned(),
            nth: Some(nth),
            fault,
        }
    }

    /// Every call of `operation` goes wrong.
    pub fn every(operation: &str, fault: Fault) -> Self {
        Self {
            operation: operation.to_owned(),
            nth: None,
            fault,
        }
    }

    fn names(&self, operation: &str) -> bool {
        match self.operation.strip_suffix('*') {
            Some(beginning) => operation.starts_with(beginning),
            None => self.operation == operation,
        }
    }
}

/// The rules, and how often each has matched.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    rules: Vec<(Rule, u64)>,
    counts: BTreeMap<String, u64>,
}

impl FaultPlan {
    pub(crate) fn set(&mut self, rules: Vec<Rule>) {
        self.rules = rules.into_iter().map(|rule| (rule, 0)).collect();
        self.counts.clear();
    }

    pub(crate) fn add(&mut self, rule: Rule) {
        self.rules.push((rule, 0));
    }

    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.rules.iter().map(|(rule, _)| rule.clone()).collect()
    }

    /// Counts a call, and says what shall go wrong with it and which call of its
    /// operation it is. A rule that names several operations counts them together.
    pub(crate) fn call(&mut self, operation: &str) -> (Option<Fault>, u64) {
        let count = self.counts.entry(operation.to_owned()).or_default();
        *count += 1;
        let count = *count;
        let mut fault = None;
        for (rule, seen) in &mut self.rules {
            if rule.names(operation) {
                *seen += 1;
                if fault.is_none() && rule.nth.is_none_or(|nth| nth == *seen) {
                    fault = Some(rule.fault.clone());
                }
            }
        }
        (fault, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_hits_the_call_it_counts_to_and_no_other() {
        let mut plan = FaultPlan::default();
        plan.set(vec![
            Rule::nth("search:*", 2, Fault::BrokenBody),
            Rule::every("token", Fault::TimeoutAfter),
        ]);
        assert_eq!(plan.call("search:Observation"), (None, 1));
        assert_eq!(plan.call("read:Patient"), (None, 1));
        assert_eq!(plan.call("search:Condition"), (Some(Fault::BrokenBody), 1));
        assert_eq!(plan.call("search:Condition"), (None, 2));
        assert_eq!(plan.call("token"), (Some(Fault::TimeoutAfter), 1));
        assert_eq!(plan.call("token"), (Some(Fault::TimeoutAfter), 2));
    }

    #[test]
    fn rules_are_read_as_they_are_written_in_the_control_s_json() {
        let rule: Rule = serde_json::from_str(
            r#"{"operation":"token","nth":1,"fault":{"kind":"status","status":429,"retry_after":"2"}}"#,
        )
        .unwrap();
        let expected = Fault::Status {
            status: 429,
            retry_after: Some("2".into()),
            body: None,
        };
        assert_eq!(rule, Rule::nth("token", 1, expected));
    }
}
