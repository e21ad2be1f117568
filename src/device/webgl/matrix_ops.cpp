// Matrix products.
#include "device/webgl/backend.h"
#include "device/webgl/fallback.h"
#include "device/webgl/matrix.h"

namespace dstorch::webgl {
namespace {

using at::Scalar;
using at::Tensor;

bool takes(std::initializer_list<Tensor> tensors) {
  bool all = true;
  for (const auto& tensor : tensors) {
    all = all && shader_takes(tensor) && tensor.is_floating_point();
  }
  return all;
}

/// An output may be an operand too (addmm_): it is then made apart.
bool apart(const Tensor& out, std::initializer_list<Tensor> operands) {
  bool all = true;
  for (const auto& operand : operands) {
    all = all && !out.storage().is_alias_of(operand.storage());
  }
  return all;
}

void multiply_into(const Tensor& a, const Tensor& c, const Tensor& out, const Epilogue& epilogue) {
  if (apart(out, {a, c}) && (!epilogue.added.defined() || apart(out, {epilogue.added}))) {
    multiply(a, c, out, epilogue);
    return;
  }
  const auto made = empty(out.sizes(), out.scalar_type());
  multiply(a, c, made, epilogue);
  out.copy_(made);
}

Tensor& mm(const Tensor& a, const Tensor& c, Tensor& out) {
  if (!takes({a, c, out})) {
    return fallback<at::_ops::mm_out>(a, c, out);
  }
  resize_out(out, {a.size(0), c.size(1)});
  multiply_into(a.unsqueeze(0), c.unsqueeze(0), out.unsqueeze(0), {});
  return out;
}

Tensor& addmm(const Tensor& self, const Tensor& a, const Tensor& c, const Scalar& beta, const Scalar& alpha,
              Tensor& out) {
  if (!takes({self, a, c, out})) {
    return fallback<at::_ops::addmm_out>(self, a, c, beta, alpha, out);
  }
  resize_out(out, {a.size(0), c.size(1)});
  multiply_into(a.unsqueeze(0), c.unsqueeze(0), out.unsqueeze(0), {alpha.to<double>(), beta.to<double>(), self});
  return out;
}

Tensor& bmm(const Tensor& a, const Tensor& c, Tensor& out) {
  if (!takes({a, c, out})) {
    return fallback<at::_ops::bmm_out>(a, c, out);
  }
  resize_out(out, {a.size(0), a.size(1), c.size(2)});
  multiply_into(a, c, out, {});
  return out;
}

Tensor& baddbmm(const Tensor& self, const Tensor& a, const Tensor& c, const Scalar& beta, const Scalar& alpha,
                Tensor& out) {
  if (!takes({self, a, c, out})) {
    return fallback<at::_ops::baddbmm_out>(self, a, c, beta, alpha, out);
  }
  resize_out(out, {a.size(0), a.size(1), c.size(2)});
  multiply_into(a, c, out, {alpha.to<double>(), beta.to<double>(), self});
  return out;
}

Tensor& addmv(const Tensor& self, const Tensor& a, const Tensor& x, const Scalar& beta, const Scalar& alpha,
              Tensor& out) {
  if (!takes({self, a, x, out})) {
    return fallback<at::_ops::addmv_out>(self, a, x, beta, alpha, out);
  }
  resize_out(out, {a.size(0)});
  // As one row: xᵀ · aᵀ.
  multiply_into(x.view({1, 1, -1}), a.t().unsqueeze(0), out.view({1, 1, -1}),
                {alpha.to<double>(), beta.to<double>(), self.expand({a.size(0)})});
  return out;
}

Tensor dot_product(const Tensor& a, const Tensor& c) {
  if (!takes({a, c})) {
    return fallback<at::_ops::dot>(a, c);
  }
  return (a * c).sum();
}

}  // namespace

void register_matrix_ops(torch::Library& library) {
  library.impl("mm.out", TORCH_FN(mm));
  library.impl("addmm.out", TORCH_FN(addmm));
  library.impl("bmm.out", TORCH_FN(bmm));
  library.impl("baddbmm.out", TORCH_FN(baddbmm));
  library.impl("addmv.out", TORCH_FN(addmv));
  library.impl("dot", TORCH_FN(dot_product));
}

}  // namespace dstorch::webgl
