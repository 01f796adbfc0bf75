/** Where access evaluation is: AuthZEN 1.0 §9, public. Without search endpoints, because none are announced there are none. */
import type { Request, RequestHandler } from "express";

interface Place {
  /** USHER_PUBLIC_URL. */
  readonly publicUrl?: string | undefined;
  readonly originOf: (req: Request) => string;
}

/**
 * §9.1: a product compares `policy_decision_point` with the address that it asked, so it is the origin without a path. §11.9:
 * it may be kept, where it does not depend on what the request says of its host.
 */
export function answerAuthzenConfiguration({ publicUrl, originOf }: Place): RequestHandler {
  return (req, res) => {
    const origin = originOf(req).replace(/\/+$/, "");
    if (publicUrl !== undefined) res.set("Cache-Control", "public, max-age=3600");
    res.json({
      policy_decision_point: origin,
      access_evaluation_endpoint: `${origin}/access/v1/evaluation`,
      access_evaluations_endpoint: `${origin}/access/v1/evaluations`,
    });
  };
}
