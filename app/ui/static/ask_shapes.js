// The shapes an answer can have and the assumptions it can rest on, as the server names them. Draws nothing.
import { ApiError, call } from "./api.js";

export class Shapes {
  templates = [];
  assumptions = [];

  /** Resolves once they are known; they stay empty where the server does not answer, and what needs them is not shown. */
  ready;

  constructor() {
    this.ready = this.#fetch();
  }

  async #fetch() {
    try {
      const { templates, assumptions } = await call("GET", "/api/ask/shapes");
      Object.assign(this, { templates, assumptions });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }
}
