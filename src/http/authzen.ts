/** Where access evaluation is: AuthZEN 1.0 §9, public. Without search endpoints, because none are announced there are none. */
import type { RequestHandler } from "express";

/** §9.1: a product compares `policy_decision_point` with the address that it asked, so it is the origin without a path. */
export function answerAuthzenConfiguration(originOf: (req: Parameters<RequestHandler>[0]) => string): RequestHandler {
  return (req, res) => {
    const origin = originOf(req).replace(/\/+$/, "");
    res.json({
      policy_decision_point: origin,
      access_evaluation_endpoint: `${origin}/access/v1/evaluation`,
      access_evaluations_endpoint: `${origin}/access/v1/evaluations`,
    });
  };
}
