// What is asked before a block or a session is closed, for confirmDialog. Knows nothing of how it is closed.

const questions = (count) => `${count} ${count === 1 ? "question" : "questions"}`;

/** "4 of 20 questions are without an answer." */
function unanswered(open, total) {
  if (open === 0) return "All questions are answered.";
  return `${open} of ${questions(total)} ${open === 1 ? "is" : "are"} without an answer.`;
}

const counted = (open) => (open ? " They count as not correct." : "");

/** `last`: it follows the last question and was not asked for. */
export function endWords(session, { last = false } = {}) {
  const { mode, items } = session.data;
  const open = session.unanswered().length;
  const heading = mode === "exam" ? "End the whole exam?" : "End this session?";
  const after = mode === "tutor" ? " Those you answered stay in your results." : `${counted(open)} No answer can be changed afterwards.`;
  return {
    heading: last ? `That was the last question. ${heading}` : heading, yes: "End and see the results", danger: open > 0,
    text: unanswered(open, items.length) + after,
  };
}

export function closeWords(session) {
  const { block, data } = session;
  const open = session.unanswered(block).length;
  const last = data.blocks.length === block.number;
  return {
    heading: `Close block ${block.number}?`, yes: last ? "Close it and see the results" : `Close block ${block.number}`,
    danger: open > 0,
    text: `${unanswered(open, block.last - block.first + 1)}${counted(open)} A closed block stays closed until the exam has ended.`,
  };
}
