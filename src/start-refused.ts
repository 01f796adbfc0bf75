/** Why the process does not start, as a sentence for the operator; printed without a stack. */
export class StartRefused extends Error {
  constructor(sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = "StartRefused";
  }
}
