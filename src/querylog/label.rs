//! Texts that many answers share go in, numbers come out, so that an event is small and owns
//! nothing: names of lists, texts of rules, URLs of upstreams.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

/// Texts that are told apart. They come from the configuration alone, and only a server that is
/// given new ones again and again for years gets here.
const MAX_LABELS: usize = 1 << 20;

/// What stands for all texts beyond that.
const TOO_MANY: &str = "(one of too many to tell)";

/// The number of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(NonZeroU32);

impl Label {
    /// That of all texts beyond those that are told apart.
    pub(super) const TOO_MANY: Self = Self(NonZeroU32::MAX);

    /// The number itself, which is never 0.
    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// The label of a number; 0 is none.
    pub fn from_number(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }
}

/// All texts that have a number.
#[derive(Debug, Default)]
pub(super) struct Labels {
    labels: HashMap<Arc<str>, Label>,
    texts: Vec<Arc<str>>,
}

impl Labels {
    /// The number of a text, which has it from now on.
    pub(super) fn of(&mut self, text: &Arc<str>) -> Label {
        let is_full = self.texts.len() >= MAX_LABELS;
        match self.labels.get(text) {
            Some(label) => *label,
            None if is_full => Label::TOO_MANY,
            None => {
                self.texts.push(text.clone());
                let number = u32::try_from(self.texts.len()).ok().and_then(NonZeroU32::new);
                let label = number.map_or(Label::TOO_MANY, Label);
                self.labels.insert(text.clone(), label);
                label
            }
        }
    }

    /// The text of a number.
    pub(super) fn text(&self, label: Label) -> &str {
        let text = usize::try_from(label.0.get() - 1).ok().and_then(|at| self.texts.get(at));
        text.map_or(TOO_MANY, AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_a_number_one_text() {
        let mut labels = Labels::default();
        let [ads, ads_again, rule] = ["ads", "ads", "/x/"].map(Arc::from);

        let (first, second, third) = (labels.of(&ads), labels.of(&ads_again), labels.of(&rule));

        assert_eq!(first, second);
        assert_eq!((labels.text(first), labels.text(third)), ("ads", "/x/"));
        assert_eq!(labels.text(Label::TOO_MANY), TOO_MANY);
    }
}
