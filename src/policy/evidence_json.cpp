// What evidence says of itself: as JSON, and of more pictures.

#include <algorithm>
#include <cmath>
#include <limits>

#include "engraft/options.h"
#include "engraft/policy/evidence.h"
#include "policy/stored_evidence.h"

namespace engraft {
namespace {

/// JSON has no word for what is no number and writes null.
double number(const Json& json, const char* name) {
  const Json& value = json.at(name);
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                         : value.get<double>();
}

std::vector<ViewProbe> views_from(const Json& json) {
  std::vector<ViewProbe> out;
  for (const Json& v : json)
    out.push_back({v.at("kind"), v.at("cut"), v.at("pictures"),
                   number(v, "accuracy"), number(v, "view_accuracy"),
                   number(v, "z"), number(v, "loss_gain"),
                   number(v, "loss_z")});
  return out;
}

Json views_to_json(const std::vector<ViewProbe>& views) {
  Json out = Json::array();
  for (const ViewProbe& v : views)
    out.push_back({{"kind", v.kind},
                   {"cut", v.cut},
                   {"pictures", v.pictures},
                   {"accuracy", v.accuracy},
                   {"view_accuracy", v.view_accuracy},
                   {"z", v.z},
                   {"loss_gain", v.loss_gain},
                   {"loss_z", v.loss_z}});
  return out;
}

}  // namespace

Evidence evidence_from(const Json& json) {
  Evidence out;
  out.pictures = json.at("pictures");
  out.drawn_from = json.at("drawn_from");
  out.classes = json.at("classes");
  out.distinct = number(json, "distinct");
  for (const Json& d : json.at("depths"))
    out.depths.push_back({d.at("cut"), d.at("features"), number(d, "accuracy"),
                          number(d, "loss")});
  for (const Json& p : json.at("curve"))
    out.curve.push_back(
        {p.at("pictures"), number(p, "accuracy"), number(p, "loss")});
  out.accuracy_error = number(json, "accuracy_error");
  out.weighted_error = number(json, "weighted_error");
  read_value("probe_auroc", json.at("probe_auroc"), out.probe_auroc);
  out.flips = views_from(json.at("flips"));
  out.views = views_from(json.at("views"));
  out.log_me = number(json, "log_me");
  out.leep = number(json, "leep");
  out.confidence = number(json, "confidence");
  out.entropy = number(json, "entropy");
  return out;
}

Json to_json(const Evidence& e) {
  Json depths = Json::array(), curve = Json::array();
  for (const DepthProbe& d : e.depths)
    depths.push_back({{"cut", d.cut},
                      {"features", d.features},
                      {"accuracy", d.accuracy},
                      {"loss", d.loss}});
  for (const CurvePoint& p : e.curve)
    curve.push_back(
        {{"pictures", p.pictures}, {"accuracy", p.accuracy}, {"loss", p.loss}});
  return {{"pictures", e.pictures},
          {"drawn_from", e.drawn_from},
          {"classes", e.classes},
          {"distinct", e.distinct},
          {"depths", depths},
          {"curve", curve},
          {"accuracy_error", e.accuracy_error},
          {"weighted_error", e.weighted_error},
          {"probe_auroc", spelled(e.probe_auroc)},
          {"flips", views_to_json(e.flips)},
          {"views", views_to_json(e.views)},
          {"log_me", e.log_me},
          {"leep", e.leep},
          {"confidence", e.confidence},
          {"entropy", e.entropy}};
}

double Evidence::growth() const {
  // Least squares of log error over log pictures.
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (const CurvePoint& point : curve) {
    // Half a picture wrong at the least: an error of 0 has no logarithm.
    const double floor =
        0.5 / static_cast<double>(std::max<int64_t>(pictures, 1));
    const double x = std::log(static_cast<double>(point.pictures));
    const double y = std::log(std::max(1 - point.accuracy, floor));
    ++n, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  const double spread = n * sxx - sx * sx;
  if (n < 2 || spread <= 0) return 0;
  return std::max(0.0, -(n * sxy - sx * sy) / spread);
}

double Evidence::times_more() const {
  return std::max(1.0, static_cast<double>(drawn_from) /
                           static_cast<double>(std::max<int64_t>(pictures, 1)));
}

double Evidence::error_with(double times) const {
  return head_room() * std::pow(times, -growth());
}

double Evidence::error_in_all() const {
  const double error =
      std::isnan(weighted_error) ? head_room() : weighted_error;
  return measured() ? error * std::pow(times_more(), -growth()) : 0;
}

}  // namespace engraft
