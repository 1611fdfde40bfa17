//! A name goes in, every rule that speaks of it comes out, and whether it counts for who asks.

use blocker::{Action, Asker, GroupSet, Matcher, Mode, Name, Question, Source};
use hickory_proto::rr::RecordType;
use serde::{Deserialize, Serialize};

use crate::{
    config::Rule,
    policy::{Block, Policy},
};

/// A rule that speaks of a name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The list; none for `[[rules]]`.
    pub list: Option<String>,
    /// The line there; for `[[rules]]` the place in the configuration, from one.
    pub line: u32,
    /// What it says.
    pub rule: String,
    /// What it does.
    #[serde(rename = "action")]
    pub does: Does,
    /// Whether it counts, and why not.
    pub standing: Standing,
    /// Why the operator has made it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// It lets names through.
    Allow,
    /// It blocks them.
    Block,
}

/// Whether a rule counts for a question, and why not.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It is the one that decides.
    Wins,
    /// It counts, but another one decides.
    Applies,
    /// It is for groups that the client is not in.
    OtherGroup,
    /// It is for other types.
    OtherType,
    /// It is for other clients.
    OtherClient,
    /// It is for other types, or makes an exception of this name.
    OtherQuestion,
    /// Its groups, or blocking as a whole, are switched off.
    Disabled,
    /// It only counts what it would have done.
    Shadow,
}

/// The kinds of `[[rules]]`, which are asked at different times.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Allow,
    Deny,
    Regex,
}

impl Kind {
    fn of(rule: &Rule) -> Self {
        match rule.action {
            Action::Allow => Self::Allow,
            Action::Block if rule.pattern.starts_with('/') => Self::Regex,
            Action::Block => Self::Deny,
        }
    }
}

impl Does {
    /// The word for it, as lists are told in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }
}

impl From<Action> for Does {
    fn from(action: Action) -> Self {
        match action {
            Action::Allow => Self::Allow,
            Action::Block => Self::Block,
        }
    }
}

impl Finding {
    /// Whether it may decide.
    pub(super) fn counts(&self) -> bool {
        matches!(self.standing, Standing::Wins | Standing::Applies)
    }

    /// Whether it is the rule that a block names.
    pub(super) fn is(&self, block: &Block<'_>) -> bool {
        let named = self.list.as_ref().unwrap_or(&self.rule);
        self.line == block.line && named == block.reason.as_ref()
    }
}

impl From<blocker::Standing> for Standing {
    fn from(standing: blocker::Standing) -> Self {
        match standing {
            blocker::Standing::Wins => Self::Wins,
            blocker::Standing::Applies => Self::Applies,
            blocker::Standing::Shadow => Self::Shadow,
            blocker::Standing::OtherGroup => Self::OtherGroup,
            blocker::Standing::OtherClient => Self::OtherClient,
            _ => Self::OtherQuestion,
        }
    }
}

impl Policy {
    /// Every rule that speaks of a name, whoever it is for.
    pub fn findings(&self, name: &Name) -> Vec<Finding> {
        let question = Question::new(name, GroupSet::ALL);
        let kinds = [Kind::Allow, Kind::Deny, Kind::Regex];
        let rules = kinds.map(|kind| self.rule_findings(kind, &question));
        let mut findings: Vec<Finding> = rules.into_iter().flatten().collect();
        findings.extend(self.list_findings(&question));
        // Which of them would decide depends on who asks for what.
        let depends = |finding: &&mut Finding| {
            !matches!(finding.standing, Standing::Disabled | Standing::Shadow)
        };
        findings.iter_mut().filter(depends).for_each(|found| found.standing = Standing::Applies);
        findings
    }

    /// The `[[rules]]` of a kind that speak of a name, whoever they are for.
    pub(super) fn rule_findings(&self, kind: Kind, question: &Question<'_>) -> Vec<Finding> {
        let rules = self.config.rules.iter().enumerate();
        let speaking = rules.filter(|(_, rule)| Kind::of(rule) == kind);
        let finding = |(place, rule): (usize, &Rule)| {
            Some(Finding {
                list: None,
                line: u32::try_from(place + 1).unwrap_or(u32::MAX),
                rule: rule.pattern.clone(),
                does: rule.action.into(),
                standing: self.standing_of(rule, question)?,
                comment: rule.comment.clone(),
            })
        };
        speaking.filter_map(finding).collect()
    }

    /// Whether a rule counts; nothing where it does not speak of the name at all.
    fn standing_of(&self, rule: &Rule, question: &Question<'_>) -> Option<Standing> {
        let alone = self.standing_alone(rule, question)?;
        let meant = self.groups.set(&rule.groups);
        let is_of_type = |rtype: &RecordType| u16::from(*rtype) == question.qtype;
        Some(if meant.is_empty() {
            Standing::Disabled
        } else if !rule.types.is_empty() && !rule.types.iter().any(is_of_type) {
            Standing::OtherType
        } else if !meant.intersects(question.asker.groups) {
            Standing::OtherGroup
        } else if alone != blocker::Standing::Wins {
            alone.into()
        } else if rule.mode == Mode::Shadow {
            Standing::Shadow
        } else {
            Standing::Applies
        })
    }

    /// Whether a rule would count if it were alone and for everybody.
    fn standing_alone(&self, rule: &Rule, question: &Question<'_>) -> Option<blocker::Standing> {
        let source = Source { name: "rules", action: rule.action, groups: GroupSet::ALL };
        let mut builder = Matcher::builder().with_known_clients(self.rules.clients());
        // The configuration's check has refused rules that are none.
        builder.add_line(&source, 1, &rule.pattern).ok()?;
        let matcher = builder.build().ok()?;
        let asker = Asker { groups: GroupSet::ALL, ..question.asker };
        matcher.findings(&Question { asker, ..*question }).first().map(|found| found.standing)
    }

    /// The rules of lists that speak of a name, whoever they are for.
    pub(super) fn list_findings(&self, question: &Question<'_>) -> Vec<Finding> {
        let told = self.lists.matcher.findings(question);
        let finding = |told: &blocker::Finding<'_>| Finding {
            list: Some(told.found.list.to_owned()),
            line: told.found.line,
            rule: told.found.rule().to_string(),
            does: told.action.into(),
            standing: told.standing.into(),
            comment: String::new(),
        };
        told.iter().map(finding).collect()
    }
}
