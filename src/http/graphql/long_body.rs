//! The body of a long response: it is passed on in parts, and other tasks run between them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};

/// The bytes of a part: compressing it takes less than a millisecond.
const PART: usize = 128 * 1024;

/// Without parts, all of a response would be compressed in one go, while others wait for the thread.
struct LongBody {
    rest: Bytes,
    has_yielded: bool,
}

/// Returns the body of a response with this text.
pub fn body(text: Bytes) -> Body {
    if text.len() <= PART {
        return Body::from(text);
    }
    Body::new(LongBody {
        rest: text,
        has_yielded: false,
    })
}

impl http_body::Body for LongBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        self.has_yielded = !self.has_yielded;
        if self.has_yielded {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let part = PART.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use http_body::Body as _;

    use super::*;

    #[test]
    fn other_tasks_run_between_the_parts_of_a_long_body() {
        let text = Bytes::from("x".repeat(3 * PART + 1));
        let mut body = pin!(body(text.clone()));
        assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
        let mut context = Context::from_waker(Waker::noop());
        let (mut parts, mut pauses) = (Vec::new(), 0);
        while !body.is_end_stream() {
            match body.as_mut().poll_frame(&mut context) {
                Poll::Pending => pauses += 1,
                Poll::Ready(frame) => parts.push(frame.unwrap().unwrap().into_data().unwrap()),
            }
        }
        assert_eq!(parts.concat(), text);
        assert_eq!((parts.len(), pauses), (4, 4));
    }
}
