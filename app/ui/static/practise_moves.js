// The moves of a whole session: pause, resume, a block's start and close, the end. Each asks first where something is lost by
// it, keeps the open question and then asks the server. Knows nothing of how the answer is shown.
import { confirmDialog, toast } from "./dialogs.js";
import { closeWords, endWords } from "./practise_ending.js";

export class Moves {
  #run;
  #moving = false; // a double click moves once

  /**
   * `run`: session() that is open, or null; hold() and goOn() for the open question; took(before) what the server said;
   * sync() to hear it again; toGrid(position).
   */
  constructor(run) {
    this.#run = run;
  }

  pause = () => this.#act((session) => session.pause());
  resume = () => this.#act((session) => session.resume());
  startBlock = (number) => this.#act((session) => session.startBlock(number));

  /** With `last` after the last question: not asked for, and a no leads to the grid. Asks nothing where nothing is open. */
  end({ last = false } = {}) {
    const session = this.#run.session();
    const open = session.unanswered();
    const move = () => session.end();
    if (last && session.data.mode === "tutor" && open.length === 0) return this.#act(move);
    return this.#ask(endWords(session, { last }), move, last ? open[0] : null);
  }

  closeBlock({ last = false } = {}) {
    const session = this.#run.session();
    const { block } = session;
    return this.#ask(closeWords(session), () => session.closeBlock(block.number), last ? session.unanswered(block)[0] : null);
  }

  /** Make the move after a yes; after a no go to the question at `open` in the grid (undefined: the current one), or stay. */
  async #ask(words, move, open) {
    const session = this.#run.session();
    const yes = await confirmDialog(words);
    if (session !== this.#run.session()) return;
    if (yes) await this.#act(move);
    else if (open !== null) this.#run.toGrid(open);
  }

  async #act(move) {
    const session = this.#run.session();
    const before = session.data;
    if (this.#moving) return;
    this.#moving = true;
    try {
      await this.#run.hold();
      await move(session);
    } catch (error) {
      this.#run.goOn();
      toast(error.message, { error: true });
      if (error.status === 409) await this.#run.sync();
      return;
    } finally {
      this.#moving = false;
    }
    if (session === this.#run.session()) this.#run.took(before);
  }
}
