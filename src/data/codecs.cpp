#include "data/codecs.h"

#include <opencv2/imgcodecs.hpp>

#ifdef ENGRAFT_IMGCODECS
#include <dlfcn.h>

#include "engraft/error.h"
#endif

namespace engraft {
namespace {

using Decode = cv::Mat (*)(const cv::_InputArray&, int);
using Encode = bool (*)(const std::string&, const cv::_InputArray&,
                        std::vector<uint8_t>&, const std::vector<int>&);

struct Codecs {
  Decode decode;
  Encode encode;
};

#ifdef ENGRAFT_IMGCODECS
/// `name` is cv::imdecode or cv::imencode as the C++ ABI spells it: they are
/// OpenCV's own, whose headers a wrapper of ours would only repeat.
template <typename Function>
Function find(void* library, const char* name) {
  void* const found = dlsym(library, name);
  if (!found)
    fail(Fault::io, ENGRAFT_IMGCODECS ": has no ", name,
         ": not the OpenCV that engraft was built with; build it again");
  return reinterpret_cast<Function>(found);
}

Codecs load() {
  void* const library = dlopen(ENGRAFT_IMGCODECS, RTLD_LAZY | RTLD_LOCAL);
  if (!library)
    fail(Fault::io, "OpenCV's picture formats cannot be loaded: ", dlerror(),
         "; install the OpenCV that engraft was built with");
  return {find<Decode>(library, "_ZN2cv8imdecodeERKNS_11_InputArrayEi"),
          find<Encode>(library,
                       "_ZN2cv8imencodeERKNSt7__cxx1112basic_stringIcSt11char_"
                       "traitsIcESaIcEEERKNS_11_InputArrayERSt6vectorIhSaIhEE"
                       "RKSB_IiSaIiEE")};
}
#else
Codecs load() { return {cv::imdecode, cv::imencode}; }
#endif

const Codecs& codecs() {
  static const Codecs loaded = load();
  return loaded;
}

}  // namespace

cv::Mat decode_with_opencv(const cv::Mat& buffer, int flags) {
  return codecs().decode(buffer, flags);
}

std::vector<uint8_t> encode_png(const cv::Mat& bgr) {
  std::vector<uint8_t> png;
  codecs().encode(".png", bgr, png, {});
  return png;
}

}  // namespace engraft
