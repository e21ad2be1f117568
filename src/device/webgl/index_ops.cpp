// Elements chosen by index, and joined tensors.
#include <ATen/WrapDimUtils.h>

#include "core/throw.h"
#include "device/webgl/backend.h"
#include "device/webgl/fallback.h"
#include "device/webgl/indexed.h"

namespace dstorch::webgl {
namespace {

using at::Scalar;
using at::Tensor;

bool is_index(const Tensor& index) {
  return shader_takes(index) && (index.scalar_type() == at::kLong || index.scalar_type() == at::kInt);
}

Tensor select_by_index(const Tensor& self, int64_t dim, const Tensor& index) {
  if (!shader_takes(self) || !is_index(index) || self.dim() == 0 || self.scalar_type() == at::kLong) {
    return fallback<at::_ops::index_select>(self, dim, index);
  }
  const auto along = at::maybe_wrap_dim(dim, self.dim());
  auto sizes = self.sizes().vec();
  sizes[static_cast<std::size_t>(along)] = index.numel();
  auto out = empty(sizes, self.scalar_type());
  std::vector<int64_t> line(sizes.size(), 1);
  line[static_cast<std::size_t>(along)] = index.numel();
  gather(self, along, index.reshape(line).expand(sizes), out);
  return out;
}

Tensor& gather_out(const Tensor& self, int64_t dim, const Tensor& index, bool sparse, Tensor& out) {
  if (!shader_takes(self) || !is_index(index) || self.dim() == 0 || self.scalar_type() == at::kLong) {
    return fallback<at::_ops::gather_out>(self, dim, index, sparse, out);
  }
  resize_out(out, index.sizes());
  gather(self, at::maybe_wrap_dim(dim, self.dim()), index, out);
  return out;
}

void start_from(const Tensor& self, Tensor& out) {
  if (!out.is_same(self)) {
    resize_out(out, self.sizes());
    out.copy_(self);
  }
}

template <typename Op, bool add>
Tensor& scatter_out(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source, Tensor& out) {
  if (!shader_takes(self) || !shader_takes(source) || !is_index(index) || self.dim() == 0 ||
      self.scalar_type() == at::kLong) {
    return fallback<Op>(self, dim, index, source, out);
  }
  start_from(self, out);
  auto part = source;
  for (int64_t d = 0; d < index.dim(); ++d) {
    part = part.narrow(d, 0, index.size(d));
  }
  scatter(part, at::maybe_wrap_dim(dim, self.dim()), index, out, add);
  return out;
}

Tensor& scatter_value_out(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value, Tensor& out) {
  if (!shader_takes(self) || !is_index(index) || self.dim() == 0 || self.scalar_type() == at::kLong) {
    return fallback<at::_ops::scatter_value_out>(self, dim, index, value, out);
  }
  start_from(self, out);
  const auto source = at::full({1}, value, self.options()).view(std::vector<int64_t>(index.dim(), 1));
  scatter(source.expand(index.sizes()), at::maybe_wrap_dim(dim, self.dim()), index, out, false);
  return out;
}

Tensor embedding_backward(const Tensor& grad, const Tensor& indices, int64_t count, int64_t padding,
                          bool by_frequency) {
  if (!shader_takes(grad) || !is_index(indices) || padding >= 0 || by_frequency) {
    return fallback<at::_ops::embedding_dense_backward>(grad, indices, count, padding, by_frequency);
  }
  const auto features = grad.size(-1);
  auto weight = at::zeros({count, features}, grad.options());
  const auto rows = grad.reshape({-1, features});
  scatter(rows, 0, indices.reshape({-1, 1}).expand(rows.sizes()), weight, true);
  return weight;
}

/// One tensor of indices, in any one dimension; anything more goes to the CPU.
Tensor index_tensor(const Tensor& self, const c10::List<c10::optional<Tensor>>& indices) {
  int64_t dim = -1;
  bool simple = true;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const c10::optional<Tensor> index = indices.get(i);
    if (index && index->defined()) {
      simple = simple && dim == -1 && is_index(*index);
      dim = static_cast<int64_t>(i);
    }
  }
  if (!simple || dim < 0 || !shader_takes(self)) {
    return fallback<at::_ops::index_Tensor>(self, indices);
  }
  const auto index = *c10::optional<Tensor>(indices.get(static_cast<std::size_t>(dim)));
  auto sizes = self.sizes().vec();
  sizes.erase(sizes.begin() + dim);
  sizes.insert(sizes.begin() + dim, index.sizes().begin(), index.sizes().end());
  // Counted from the end where negative, as in Python.
  const auto counted = at::where(index < 0, index + self.size(dim), index);
  return select_by_index(self, dim, counted.reshape(-1)).view(sizes);
}

Tensor& cat_out(const at::ITensorListRef& tensors, int64_t dim, Tensor& out) {
  // LibTorch lets one-dimensional tensors of no elements pass, whatever the others are.
  const auto skipped = [](const Tensor& tensor) { return tensor.dim() == 1 && tensor.numel() == 0; };
  int64_t along = dim;
  std::vector<int64_t> sizes;
  for (const Tensor& tensor : tensors) {
    if (skipped(tensor)) {
      continue;
    }
    along = at::maybe_wrap_dim(dim, tensor.dim());
    if (sizes.empty()) {
      sizes = tensor.sizes().vec();
    } else {
      sizes[static_cast<std::size_t>(along)] += tensor.size(along);
    }
  }
  if (sizes.empty()) {
    return out;
  }
  resize_out(out, sizes);
  int64_t begin = 0;
  for (const Tensor& tensor : tensors) {
    if (!skipped(tensor)) {
      out.narrow(along, begin, tensor.size(along)).copy_(tensor);
      begin += tensor.size(along);
    }
  }
  return out;
}

// Mean, sum or none of -log p(target), over the targets that are not ignored.
std::tuple<Tensor&, Tensor&> nll_loss(const Tensor& self, const Tensor& target, const c10::optional<Tensor>& weight,
                                      int64_t reduction, int64_t ignored, Tensor& out, Tensor& total) {
  if (!shader_takes(self) || !is_index(target) || (weight && weight->defined()) || self.dim() != 2) {
    return fallback<at::_ops::nll_loss_forward_output>(self, target, weight, reduction, ignored, out, total);
  }
  const auto counted = target.ne(ignored);
  const auto index = target.clamp_min(0).unsqueeze(1);
  const auto loss = self.gather(1, index).squeeze(1).neg().masked_fill(counted.logical_not(), 0);
  resize_out(total, {});
  at::sum_out(total, counted.to(self.scalar_type()), at::IntArrayRef{0});
  if (reduction == at::Reduction::None) {
    resize_out(out, loss.sizes());
    out.copy_(loss);
    total.zero_();
  } else {
    resize_out(out, {});
    at::sum_out(out, loss, at::IntArrayRef{0});
    if (reduction == at::Reduction::Mean) {
      out.div_(total);
    }
  }
  return {out, total};
}

Tensor& nll_loss_backward(const Tensor& grad, const Tensor& self, const Tensor& target,
                          const c10::optional<Tensor>& weight, int64_t reduction, int64_t ignored, const Tensor& total,
                          Tensor& out) {
  if (!shader_takes(self) || !is_index(target) || (weight && weight->defined()) || self.dim() != 2) {
    return fallback<at::_ops::nll_loss_backward_grad_input>(grad, self, target, weight, reduction, ignored, total, out);
  }
  resize_out(out, self.sizes());
  out.zero_();
  const auto scaled = (reduction == at::Reduction::Mean ? grad / total : grad).neg().expand(target.sizes());
  const auto each = scaled.masked_fill(target.eq(ignored), 0).unsqueeze(1);
  return out.scatter_(1, target.clamp_min(0).unsqueeze(1), each);
}

}  // namespace

void register_index_ops(torch::Library& library) {
  namespace ops = at::_ops;
  library.impl("index_select", TORCH_FN(select_by_index));
  library.impl("gather.out", TORCH_FN(gather_out));
  library.impl("scatter.src_out", TORCH_FN((scatter_out<ops::scatter_src_out, false>)));
  library.impl("scatter_add.out", TORCH_FN((scatter_out<ops::scatter_add_out, true>)));
  library.impl("scatter.value_out", TORCH_FN(scatter_value_out));
  library.impl("embedding_dense_backward", TORCH_FN(embedding_backward));
  library.impl("index.Tensor", TORCH_FN(index_tensor));
  library.impl("cat.out", TORCH_FN(cat_out));
  library.impl("nll_loss_forward.output", TORCH_FN(nll_loss));
  library.impl("nll_loss_backward.grad_input", TORCH_FN(nll_loss_backward));
}

}  // namespace dstorch::webgl
