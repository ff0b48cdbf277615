#include "cache/file_map.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engraft/error.h"

namespace engraft {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

FileMap::FileMap(int fd, int64_t bytes) : bytes_(bytes) {
  void* const at =
      ::mmap(nullptr, static_cast<size_t>(bytes), PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED)
    fail(Fault::io,
         "a file of the cache cannot be mapped: ", std::strerror(errno));
  data_ = static_cast<uint8_t*>(at);
}

FileMap::~FileMap() {
  if (data_) ::munmap(data_, static_cast<size_t>(bytes_));
}

void FileMap::give_back() const {
  ::madvise(data_, static_cast<size_t>(bytes_), MADV_DONTNEED);
}

}  // namespace engraft
