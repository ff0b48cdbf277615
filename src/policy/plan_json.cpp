#include "engraft/policy/plan.h"

namespace engraft {

Json to_json(const TransferPlan& plan) {
  Json reasons = Json::array();
  for (const Reason& r : plan.reasons)
    reasons.push_back(
        {{"decision", r.decision}, {"value", r.value}, {"because", r.because}});
  Json deeper = Json::array();
  for (const DeeperStage& d : plan.deeper)
    deeper.push_back({{"cut", d.cut},
                      {"epochs", d.epochs},
                      {"views", d.views},
                      {"rate", d.rate},
                      {"proof_errors", d.proof_errors}});
  return {
      {"size", std::string(name_of(plan.size))},
      {"similarity", to_json(plan.similarity)},
      {"evidence", plan.evidence.measured() ? to_json(plan.evidence) : Json()},
      {"proof", plan.proof},
      {"proof_errors", plan.proof ? Json(plan.proof_errors) : Json()},
      {"retries", plan.retries},
      {"retry_rate", plan.retries > 0 ? Json(plan.retry_rate) : Json()},
      {"second_try_rate",
       plan.second_try_rate ? Json(*plan.second_try_rate) : Json()},
      {"deeper", deeper},
      {"advice", plan.advice},
      {"estimated_seconds", plan.seconds > 0 ? Json(plan.seconds) : Json()},
      {"freeze_until", plan.freeze_until},
      {"solved_head", plan.solved_head},
      {"head_epochs", plan.head_epochs},
      {"epochs", plan.epochs},
      {"views", plan.views},
      {"batch_size", plan.batch_size},
      {"head_lr", plan.head_lr},
      {"backbone_lr", plan.backbone_lr},
      {"block_decay", plan.block_decay},
      {"bn_statistics", std::string(name_of(plan.bn_statistics))},
      {"augment", to_json(plan.augment)},
      {"test_crops", plan.test_crops},
      {"reasons", reasons}};
}

}  // namespace engraft
