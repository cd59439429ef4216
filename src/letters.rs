//! The letters of a mailbox: batches on their way to JavaScript, which takes all that have come in one crossing.

use std::fmt::Write as _;

/// The most text of one crossing, in bytes, unless a single letter is longer: JavaScript parses the text in one go.
const MAX_CROSSING_BYTES: usize = 256 * 1024;

/// The letters that wait for JavaScript.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    /// Tickets and texts, oldest first.
    waiting: Vec<(u32, String)>,
    /// How many letters JavaScript waits for. While it waits for one, the process lives.
    expected: usize,
    last_ticket: u32,
}

impl Letters {
    /// The ticket of another sender.
    pub(crate) fn ticket(&mut self) -> u32 {
        self.last_ticket = self.last_ticket.wrapping_add(1);
        self.last_ticket
    }

    /// JavaScript waits for one more letter. True when it waited for none before.
    pub(crate) fn expect(&mut self) -> bool {
        self.expected += 1;
        self.expected == 1
    }

    pub(crate) fn is_expected(&self) -> bool {
        self.expected > 0
    }

    /// Adds a letter. True when none was there before: JavaScript has to be told.
    #[must_use = "JavaScript takes no letter that it is not told of"]
    pub(crate) fn post(&mut self, ticket: u32, text: String) -> bool {
        self.waiting.push((ticket, text));
        self.waiting.len() == 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// `[ticket,letter,…]` of the letters that fit into one crossing.
    pub(crate) fn take(&mut self) -> String {
        let mut size = 0;
        let fits = self.waiting.iter().take_while(|(_, text)| {
            let fits = size == 0 || size + text.len() <= MAX_CROSSING_BYTES;
            size += text.len();
            fits
        });
        let count = fits.count();
        let mut all = String::with_capacity(size + 12 * count + 2);
        all.push('[');
        for (index, (ticket, text)) in self.waiting.drain(..count).enumerate() {
            if index > 0 {
                all.push(',');
            }
            // Writing into a String cannot fail.
            let _ = write!(all, "{ticket},");
            all.push_str(&text);
        }
        all.push(']');
        self.expected = self.expected.saturating_sub(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, Wake, Waker};

    use futures_util::task::AtomicWaker;

    use super::*;
    use crate::interleave;
    use crate::lock::lock;
    use crate::pending_read::PendingRead;
    use crate::waker::poll_or_register;

    /// The values that each of the senders has for JavaScript.
    const VALUES: u32 = 2;

    /// JavaScript's thread: what native code told it, and the task that waits to be told.
    #[derive(Default)]
    struct Thread {
        letters: Mutex<Letters>,
        rings: Mutex<usize>,
        told: AtomicWaker,
    }

    impl Thread {
        fn post(&self, ticket: u32, text: String) {
            let first = lock(&self.letters).post(ticket, text);
            if first {
                self.ring();
            }
        }

        fn ring(&self) {
            *lock(&self.rings) += 1;
            interleave::point();
            self.told.wake();
        }
    }

    /// A subscription as `src/bridge/mailbox.rs` has it, of values that another thread publishes.
    #[derive(Default)]
    struct Subscription {
        read: PendingRead,
        values: Mutex<VecDeque<u32>>,
        news: AtomicWaker,
        ticket: u32,
        thread: Arc<Thread>,
    }

    impl Subscription {
        fn poll(&self, waker: &Waker) -> Poll<u32> {
            poll_or_register(&self.news, &mut Context::from_waker(waker), || lock(&self.values).pop_front())
        }

        fn publish(&self, value: u32) {
            lock(&self.values).push_back(value);
            interleave::point();
            self.news.wake();
        }
    }

    impl Wake for Subscription {
        fn wake(self: Arc<Self>) {
            let waker = Waker::from(self.clone());
            if let Poll::Ready(value) = self.read.on_wake(|| self.poll(&waker)) {
                self.thread.post(self.ticket, value.to_string());
            }
        }
    }

    /// Reads of JavaScript, each of which asks for the next value once it has the one before.
    fn read_all(thread: &Arc<Thread>, subscriptions: &[Arc<Subscription>]) {
        let mut seen = vec![Vec::new(); subscriptions.len()];
        let mut next = |index: usize, value: Option<u32>| -> bool {
            seen[index].extend(value);
            loop {
                if seen[index].len() == VALUES as usize {
                    assert_eq!(seen[index], (0..VALUES).collect::<Vec<_>>(), "each value once, in its order");
                    return false;
                }
                let subscription = &subscriptions[index];
                let waker = Waker::from(subscription.clone());
                match subscription.read.begin(|| subscription.poll(&waker)) {
                    Poll::Ready(value) => seen[index].push(value),
                    Poll::Pending => {
                        lock(&thread.letters).expect();
                        return true;
                    }
                }
            }
        };
        let mut waiting = (0..subscriptions.len()).filter(|&index| next(index, None)).count();
        while waiting > 0 {
            interleave::block_on(std::future::poll_fn(|cx| {
                poll_or_register(&thread.told, cx, || {
                    let mut rings = lock(&thread.rings);
                    let told = *rings > 0;
                    *rings -= usize::from(told);
                    told.then_some(())
                })
            }));
            let text = lock(&thread.letters).take();
            let letters: Vec<u32> = serde_json::from_str(&text).expect("tickets and values");
            for letter in letters.chunks(2) {
                if !next(letter[0] as usize - 1, Some(letter[1])) {
                    waiting -= 1;
                }
            }
            // As `Mailbox::settle` does.
            let (is_expected, is_empty) = {
                let letters = lock(&thread.letters);
                (letters.is_expected(), letters.is_empty())
            };
            assert_eq!(is_expected, waiting > 0, "the process lives as long as a letter is expected");
            if !is_empty {
                thread.ring();
            }
        }
    }

    fn orders(senders: u32, max_switches: usize) -> usize {
        interleave::explore(max_switches, move || {
            let thread = Arc::<Thread>::default();
            let of = |_| {
                let ticket = lock(&thread.letters).ticket();
                Arc::new(Subscription { ticket, thread: thread.clone(), ..Subscription::default() })
            };
            let subscriptions: Vec<_> = (0..senders).map(of).collect();
            for subscription in &subscriptions {
                let subscription = subscription.clone();
                interleave::spawn("producer", move || (0..VALUES).for_each(|value| subscription.publish(value)));
            }
            read_all(&thread, &subscriptions);
        })
    }

    #[test]
    fn a_reader_gets_each_value_once_in_whatever_order_its_thread_and_the_producers_go_on() {
        println!("{} orders", orders(1, 4));
    }

    #[test]
    fn no_letter_of_several_senders_is_left_behind_in_whatever_order_they_come() {
        println!("{} orders", orders(2, 2));
    }
}
